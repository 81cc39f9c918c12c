import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, statSync } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { type ErrorCode, ParaError } from '../../common/errors.ts';
import { loadingEnvironment } from '../../common/loading-env.ts';
import { paraHome } from '../../diffusion/base-places.ts';
import { slotEnvironment } from '../../jobs/slots.ts';
import { ByteChannel } from '../../protocol/byte-channel.ts';
import { isValid } from '../../protocol/validate.ts';
import { dial } from './dial.ts';
import { givenUp } from './drawing.ts';
import { Answer, type Ask, type Drawn, type Progress } from './messages.ts';
import { type GeneratorKey, generatorFiles } from './place.ts';

const pause = (ms: number) => new Promise((resume) => setTimeout(resume, ms));

/** Time a generator gets to open its socket, in ms: it reads its base before, and hashes it when that is new. */
const startLimit = 120_000;
/** Generators that may end under a request (idle just then, or killed) before it is given up. */
const tries = 3;

/**
 * Draws in the resident generator of `key`, which is started where there is none.
 * @throws ParaError what the generator says, `host` when none can be started, `cancelled`
 */
export async function drawResident(
  key: GeneratorKey,
  ask: Ask & { op: 'draw' },
  tell: (progress: Progress) => void,
  signal: AbortSignal,
): Promise<Drawn> {
  for (let attempt = 0; attempt < tries; attempt++) {
    const socket = await reach(key, signal);
    const close = () => socket.destroy();
    signal.addEventListener('abort', close);
    try {
      const drawn = await converse(socket, ask, tell);
      if (drawn) return drawn;
    } catch (cause) {
      if (cause instanceof ParaError || signal.aborted) throw signal.aborted ? givenUp() : cause;
    } finally {
      signal.removeEventListener('abort', close);
      socket.destroy();
    }
    if (signal.aborted) throw givenUp();
  }
  throw new ParaError('host', `The generator ended ${tries} times while it drew`, {
    where: endOfLog(key),
    hint: 'memory is the usual reason: draw a smaller picture, or end other programs there',
  });
}

/** @returns `undefined` when the generator went away before it had answered */
async function converse(
  socket: Socket,
  ask: Ask,
  tell: (progress: Progress) => void,
): Promise<Drawn | undefined> {
  const channel = new ByteChannel(socket, socket);
  await channel.writeJson(ask);
  for (let line = await channel.readLine(); line !== undefined; line = await channel.readLine()) {
    const answer: unknown = JSON.parse(line);
    if (!isValid(Answer, answer))
      throw new ParaError('protocol', 'The generator gave an answer that is not understood');
    if ('progress' in answer) tell(answer.progress);
    else if ('pictures' in answer) return answer.pictures;
    else {
      const { code, what, where, hint } = answer.failure;
      throw new ParaError(code as ErrorCode, what, {
        ...(where ? { where } : {}),
        ...(hint ? { hint } : {}),
      });
    }
  }
  return undefined;
}

/** A connection to the generator, which is started where none answers. */
async function reach(key: GeneratorKey, signal: AbortSignal): Promise<Socket> {
  const { socket: path } = generatorFiles(key);
  const begun = Date.now();
  let child: { ended: boolean; failed: boolean } | undefined;
  while (Date.now() - begun < startLimit) {
    if (signal.aborted) throw givenUp();
    const socket = await dial(path);
    if (socket) return socket;
    if (child?.failed) break;
    // One that ended well found another on its way, or its idle time over: a new one is started.
    if (!child || child.ended) child = start(key);
    await pause(50);
  }
  throw new ParaError('host', 'The generator on the host could not be started', {
    where: endOfLog(key),
    hint: 'para base check tells whether the base can be loaded there',
  });
}

const logFile = ({ slot }: GeneratorKey) => join(paraHome(), 'logs', `generator-${slot}.txt`);

function start(key: GeneratorKey): { ended: boolean; failed: boolean } {
  mkdirSync(join(paraHome(), 'logs'), { recursive: true });
  const log = openSync(logFile(key), mayGrow(logFile(key)) ? 'a' : 'w', 0o600);
  const { bundle, slot, device, base, baseHash } = key;
  const child = spawn(process.execPath, [bundle, 'generate', slot, device, base, baseHash], {
    detached: true,
    stdio: ['ignore', log, log],
    env: { ...loadingEnvironment(), ...slotEnvironment(slot) },
  });
  closeSync(log);
  const state = { ended: false, failed: false };
  child.on('error', () => {
    state.failed = true;
  });
  child.on('exit', (code) => {
    state.ended = true;
    state.failed = code !== 0;
  });
  child.unref();
  return state;
}

function mayGrow(path: string): boolean {
  try {
    return statSync(path).size < 1 << 20;
  } catch {
    // Not there yet.
    return true;
  }
}

function endOfLog(key: GeneratorKey): string {
  try {
    return readFileSync(logFile(key), 'utf8').trim().split('\n').slice(-3).join(' ').slice(-500);
  } catch {
    return '';
  }
}
