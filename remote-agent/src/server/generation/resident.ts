import { chmodSync, existsSync, readdirSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { basename, join } from 'node:path';
import { ParaError } from '../../common/errors.ts';
import { openBase } from '../../diffusion/base.ts';
import { beginWork, readIdleCommand } from '../../jobs/idle-command.ts';
import { startSupervisor } from '../../jobs/kick.ts';
import { takeLock } from '../../jobs/lock.ts';
import { ByteChannel } from '../../protocol/byte-channel.ts';
import { problemOf } from '../../protocol/validate.ts';
import { toFailure } from '../failure.ts';
import { emptyOutbox } from '../outbox.ts';
import { sayToGenerator } from './dial.ts';
import { Drawing, givenUp } from './drawing.ts';
import { isTraining, surroundings } from './memory-gate.ts';
import { type Answer, Ask } from './messages.ts';
import { type GeneratorKey, generatorFiles, generatorsFolder } from './place.ts';

/** Seconds that the base stays loaded after the last picture, unless a client sets others. */
const usualIdle = 600;
/** The same while training works in the slot: it may want the memory. */
const idleBesideTraining = 10;

interface Waiting {
  readonly ask: Ask & { op: 'draw' };
  readonly answer: (answer: Answer) => void;
  readonly end: () => void;
  gone: boolean;
}

/**
 * A resident generator: holds one base loaded and draws for every agent that connects to its socket, first come first
 * served, until it was idle for long enough. It is a session of its own, and ends no later than that whatever became
 * of those who started it.
 */
class Resident {
  readonly #key: GeneratorKey;
  readonly #drawing: Drawing;
  readonly #queue: Waiting[] = [];
  #working: Waiting | undefined;
  #idleSeconds = Number(process.env.PARA_GENERATOR_IDLE ?? usualIdle);
  #idleSince = Date.now();
  /** Whether training worked in the slot when the last picture was drawn. */
  #besideTraining = false;
  #leave!: () => void;
  /** Resolves when it is time to end. */
  readonly over = new Promise<void>((resolve) => {
    this.#leave = resolve;
  });

  constructor(key: GeneratorKey) {
    this.#key = key;
    const base = openBase(key.base);
    if (base.hash !== key.baseHash)
      throw new ParaError('base', `The base "${key.base}" was replaced just now`, { hint: 'try again' });
    const around = surroundings(key.slot, key.device, () => askOthersToLeave(key));
    this.#drawing = new Drawing(base, key.device, around);
  }

  /** Ends when it was idle for long enough, or when the folder it serves was removed: nobody finds it any more. */
  watch(socket: string): void {
    setInterval(() => this.#lookAtClock(socket), 250).unref();
  }

  #lookAtClock(socket: string): void {
    if (this.#working) return;
    if (!existsSync(socket)) {
      this.#leave();
      return;
    }
    const idle = (Date.now() - this.#idleSince) / 1000;
    const limit = isTraining(this.#key.slot) ? Math.min(this.#idleSeconds, this.#grace()) : this.#idleSeconds;
    if (idle >= limit) this.#leave();
  }

  /** Training that begins finds the memory free; who draws while it works is not made to load anew each time. */
  #grace(): number {
    return this.#besideTraining ? idleBesideTraining : 0;
  }

  async serve(socket: Socket): Promise<void> {
    const channel = new ByteChannel(socket, socket);
    const line = await channel.readLine(8 << 20);
    if (line === undefined) return;
    const ask: unknown = JSON.parse(line);
    const problem = problemOf(Ask, ask);
    if (problem) throw new ParaError('protocol', `The generator does not understand a request (${problem})`);
    if ((ask as Ask).op === 'leave') {
      socket.destroy();
      if (!this.#working) this.#leave();
      return;
    }
    const waiting: Waiting = {
      ask: ask as Waiting['ask'],
      answer: (answer) => {
        channel.writeJson(answer).catch(() => {});
      },
      end: () => socket.end(),
      gone: false,
    };
    socket.on('close', () => {
      waiting.gone = true;
    });
    this.#take(waiting);
  }

  #take(waiting: Waiting): void {
    const { lane, idleSeconds } = waiting.ask.request;
    if (idleSeconds !== undefined) this.#idleSeconds = idleSeconds;
    if (lane !== undefined)
      for (const older of [this.#working, ...this.#queue])
        if (older?.ask.request.lane === lane) older.gone = true;
    this.#queue.push(waiting);
    if (this.#working) waiting.answer({ progress: { at: 'queued', place: this.#queue.length } });
    else void this.#work();
  }

  async #work(): Promise<void> {
    const workDone = beginWork(basename(generatorFiles(this.#key).lock, '.lock'));
    for (let next = this.#queue.shift(); next; next = this.#queue.shift()) {
      this.#working = next;
      const { ask, answer, end } = next;
      const current = next;
      const given = () => {
        if (current.gone) throw givenUp();
      };
      try {
        given();
        const tell = (progress: Extract<Answer, { progress: unknown }>['progress']) => answer({ progress });
        answer({ pictures: await this.#drawing.draw(ask.request, ask.files, tell, given) });
      } catch (cause) {
        answer({ failure: toFailure(cause) });
        if (!(cause instanceof ParaError)) console.error(cause);
      }
      end();
      for (const [i, { answer }] of this.#queue.entries())
        answer({ progress: { at: 'queued', place: i + 1 } });
    }
    workDone();
    this.#working = undefined;
    this.#idleSince = Date.now();
    this.#besideTraining = isTraining(this.#key.slot);
  }

  async release(): Promise<void> {
    await this.#drawing.release();
  }
}

/** Asks the idle generators of other bases in this slot to end, since their memory is wanted. */
function askOthersToLeave(key: GeneratorKey): void {
  const own = basename(generatorFiles(key).socket);
  for (const name of readdirSync(generatorsFolder()))
    if (name.endsWith('.sock') && name.startsWith(`${key.slot}-`) && name !== own)
      sayToGenerator(join(generatorsFolder(), name), { op: 'leave' });
}

/** Runs a resident generator to its end; ends at once where another serves the same. */
export async function runResident(key: GeneratorKey): Promise<void> {
  const { socket, lock } = generatorFiles(key);
  let unlock: () => void;
  try {
    unlock = takeLock(lock);
  } catch (cause) {
    if (cause instanceof ParaError && cause.code === 'locked') return;
    throw cause;
  }
  try {
    emptyOutbox();
    const resident = new Resident(key);
    // Under the lock, a socket that lies here is that of a generator that was killed.
    rmSync(socket, { force: true });
    const server = createServer((connection) => {
      connection.on('error', () => {});
      resident.serve(connection).catch((cause) => {
        connection.end(`${JSON.stringify({ failure: toFailure(cause) })}\n`);
      });
    });
    await listen(server, socket);
    resident.watch(socket);
    await resident.over;
    rmSync(socket, { force: true });
    server.close();
    await resident.release();
    // A supervisor without jobs waits for the time of the idle command; this process would hold on to its memory.
    if (readIdleCommand()) await startSupervisor(key.slot, key.bundle);
  } finally {
    if (existsSync(socket)) rmSync(socket, { force: true });
    unlock();
  }
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.on('error', reject);
    server.listen(path, () => {
      chmodSync(path, 0o600);
      resolve();
    });
  });
}
