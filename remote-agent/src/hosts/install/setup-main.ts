// Sets the agent up on a host: `node setup.mjs` reads one request on stdin, fetches what the host can reach, says what
// must be sent, and puts everything in place once it is there. It ends when its client does; repeated, it goes on.
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { ParaError } from '../../common/errors.ts';
import { takeLock } from '../../jobs/lock.ts';
import { problemOf } from '../../protocol/validate.ts';
import { sentinel } from '../../protocol/version.ts';
import { cudaTrouble } from '../../runtime/cuda-words.ts';
import {
  buildAgent,
  buildBases,
  buildRuntime,
  folders,
  keepProxy,
  makeCurrent,
  removeDrafts,
} from './assemble.ts';
import { fetchFile, settle } from './fetch.ts';
import { basesName, versionName } from './names.ts';
import { prune } from './prune.ts';
import { Unreachable } from './registries.ts';
import { type RuntimeFile, type SetupMessage, SetupRequest } from './request.ts';

const tell = (message: SetupMessage) => process.stdout.write(`${JSON.stringify(message)}\n`);

/** Files to be sent: our own parts, and what no registry gave. Nothing is asked for that is in place already. */
async function gather(request: SetupRequest): Promise<{ file: string; why: string }[]> {
  const place = folders(request.root);
  mkdirSync(place.setup, { recursive: true });
  const missing: { file: string; why: string }[] = [];
  const parts = [
    { part: request.agent, target: join(place.agent, versionName(request)) },
    { part: request.bases, target: join(place.shipped, basesName(request.bases.file)) },
  ];
  for (const { part, target } of parts)
    if (!existsSync(target) && !(await settle(place.setup, part)))
      missing.push({ file: part.file, why: 'part of the agent' });
  if (existsSync(join(place.runtime, request.runtime.name))) return missing;
  const closed = new Map<string, string>();
  for (const file of request.runtime.files) {
    if (await settle(place.setup, file)) continue;
    const why = await fetchHere(request, file, closed);
    if (why !== undefined) missing.push({ file: file.file, why });
  }
  return missing;
}

/** Fetches one file; the reason where this host cannot. A registry that was not reached is not tried again. */
async function fetchHere(
  request: SetupRequest,
  file: RuntimeFile,
  closed: Map<string, string>,
): Promise<string | undefined> {
  if (!('registry' in file)) return 'a part sent by the client';
  if (!request.fetch) return 'fetching by the host is off';
  const before = closed.get(file.registry);
  if (before !== undefined) return before;
  let shown = 0;
  const progress = (done: number) => {
    if (Date.now() - shown < 200 && done < file.size) return;
    shown = Date.now();
    tell({ type: 'progress', file: file.file, done, total: file.size });
  };
  try {
    await fetchFile(folders(request.root).setup, file, request.registries, progress);
    return undefined;
  } catch (cause) {
    if (!(cause instanceof Unreachable)) throw cause;
    closed.set(file.registry, cause.message);
    return cause.message;
  }
}

/** Runs the new version once before it becomes the current one; what it said where it does not work. */
async function tryOut(folder: string, device: string): Promise<string | undefined> {
  const { stdout, said } = await new Promise<{ stdout: string; said: string }>((resolve) => {
    execFile('sh', [join(folder, 'para-agent'), 'probe', device], (error, stdout, stderr) =>
      resolve({ stdout, said: `${stderr.trim()}\n${error?.message ?? ''}`.trim() }),
    );
  });
  let answer: { works: boolean; failure?: { what: string; where?: string; hint?: string } };
  try {
    answer = JSON.parse(stdout);
  } catch {
    return said.slice(-600); // it did not get as far as an answer
  }
  if (answer.works) return undefined;
  // The runtime names the library that is missing only in its log.
  const known = device === 'cuda' ? cudaTrouble(said) : undefined;
  if (known) return `${known.what}; ${known.hint}`;
  return [answer.failure?.what, answer.failure?.where, answer.failure?.hint].filter(Boolean).join('; ');
}

async function setUp(request: SetupRequest): Promise<void> {
  const missing = await gather(request);
  if (missing.length > 0) return void tell({ type: 'missing', files: missing });
  removeDrafts(request.root);
  tell({ type: 'step', at: 'unpacking' });
  const runtime = await buildRuntime(request);
  const bases = await buildBases(request);
  const folder = await buildAgent(request, runtime, bases);
  tell({ type: 'step', at: 'trying' });
  const plain = await tryOut(folder, 'cpu');
  if (plain !== undefined)
    throw new ParaError('host', 'The new version does not run on this host; the one before stays', {
      where: plain,
      hint: 'glibc 2.28 and libstdc++ of GCC 8 or newer are needed (RHEL 8, Debian 10, Ubuntu 20.04 or later)',
    });
  const device = request.runtime.device === 'cuda' ? await tryOut(folder, 'cuda') : undefined;
  keepProxy(request.root, request.registries.proxy);
  makeCurrent(request.root, versionName(request));
  tell({
    type: 'installed',
    version: versionName(request),
    ...prune(request.root),
    device: device ?? '',
  });
}

async function main(line: string): Promise<void> {
  const value: unknown = JSON.parse(line);
  const problem = problemOf(SetupRequest, value);
  if (problem) throw new ParaError('protocol', `The set-up does not understand its request (${problem})`);
  const asked = value as SetupRequest;
  mkdirSync(asked.root, { recursive: true });
  const request = { ...asked, root: realpathSync(asked.root) };
  const lockFile = join(request.root, 'install.lock');
  let unlock: () => void;
  try {
    unlock = takeLock(lockFile);
  } catch (cause) {
    if (!(cause instanceof ParaError && cause.code === 'locked')) throw cause;
    const { pid } = JSON.parse(readFileSync(lockFile, 'utf8')) as { pid: number };
    throw new ParaError('locked', `Another installation is at work on this host (process ${pid})`, {
      where: request.root,
      hint: 'wait until it ends',
    });
  }
  try {
    await setUp(request);
  } finally {
    unlock();
  }
}

process.umask(0o077);
process.stdout.write(`\n${sentinel}\n`);
const lines = createInterface({ input: process.stdin });
// The client is gone: what was fetched so far stays, and the next set-up goes on from there.
process.stdout.on('error', () => process.exit(1));
let asked = false;
lines.on('close', () => {
  if (asked) process.exit(1);
});
lines.once('line', (line) => {
  asked = true;
  main(line)
    .catch((cause: unknown) => {
      const known = cause instanceof ParaError;
      tell({
        type: 'failed',
        code: known ? cause.code : 'host',
        what: known ? cause.message : `Unexpected: ${cause instanceof Error ? cause.stack : String(cause)}`,
        ...(known && cause.where ? { where: cause.where } : {}),
        ...(known && cause.hint ? { hint: cause.hint } : {}),
      });
    })
    .finally(() => process.stdout.write('', () => process.exit(0)));
});
