// The agent on a host: `serve` (requests on stdio), `blobs` (bytes on stdio), `supervise SLOT` (jobs, one by one),
// `generate SLOT DEVICE BASE HASH` (a resident generator), `task` (slow work on bases),
// `idle-command` (what a rented machine does when nothing is left to do).
// It opens no port: whoever can log in can start it, and nobody else.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { ParaError } from '../common/errors.ts';
import { readIdleCommand, setIdleCommand, waitForIdle } from '../jobs/idle-command.ts';
import { kick } from '../jobs/kick.ts';
import { protectHome } from '../jobs/protect-home.ts';
import { isSlot } from '../jobs/slots.ts';
import { handOver, successorOf } from '../jobs/successor.ts';
import { superviseSlot } from '../jobs/supervisor.ts';
import { type AgentEnd, serveRequests } from '../protocol/connection.ts';
import { deviceByName } from '../runtime/device.ts';
import { taskMain } from './bases/task-main.ts';
import { serveBlobs } from './blob-server.ts';
import { toFailure } from './failure.ts';
import { runResident } from './generation/resident.ts';
import { makeHandlers } from './handlers.ts';
import { JobInfos } from './job-info.ts';
import { Subscriptions } from './subscriptions.ts';

/** A client sends a ping every 15 s; one that is silent for so long is gone, whatever TCP believes. In s. */
const longestSilence = 120;

/** @param silence seconds without a word after which the client is taken for gone */
async function serve(silence: number): Promise<void> {
  let subscriptions: Subscriptions | undefined;
  let heard = performance.now();
  let client = '';
  const manifest = new URL('../package.json', import.meta.url);
  const { version } = JSON.parse(readFileSync(manifest, 'utf8')) as { version: string };
  const infos = new JobInfos();
  const handlers = makeHandlers({
    version,
    bundle,
    infos,
    subscriptions: () => subscriptions!,
    notify: (notice, params) => end.notify(notice, params),
    greet: (name) => {
      client = name;
    },
    client: () => client,
  });
  const end: AgentEnd = serveRequests(process.stdin, process.stdout, handlers, toFailure, () => {
    heard = performance.now();
  });
  subscriptions = new Subscriptions(
    (notice) => end.notify('events', notice),
    (directory) => infos.of(directory),
  );
  const watch = setInterval(
    () => {
      if (performance.now() - heard > silence * 1000) process.exit(0);
    },
    Math.min(5000, silence * 250),
  );
  watch.unref();
  await end.closed;
  subscriptions.stopAll();
  process.exit(0);
}

/** A job keeps the version it started with; those that wait get the version that was installed meanwhile. */
async function supervise(slot: string): Promise<void> {
  await superviseSlot(slot, undefined, () => successorOf(bundle) !== undefined);
  const successor = successorOf(bundle);
  if (successor) handOver(successor, slot);
  else await waitForIdle();
}

async function generate([slot = '', device, base, baseHash]: readonly string[]): Promise<void> {
  if (!isSlot(slot) || !device || !base || !baseHash)
    throw new ParaError('settings', 'A generator needs a slot, a device, a base and its hash');
  await runResident({ slot, device: deviceByName(device).name, base, baseHash, bundle });
}

async function idleCommand(words: readonly string[]): Promise<void> {
  const [minutes, dashes, ...command] = words;
  if (minutes === 'off') setIdleCommand(undefined);
  else if (minutes !== undefined)
    setIdleCommand({ minutes: Number(minutes), command: dashes === '--' ? command : [] });
  const set = readIdleCommand();
  if (set) await kick(bundle);
  console.log(
    set
      ? `When nothing was trained, drawn, sent or imported for ${set.minutes} minutes: ${JSON.stringify(set.command)}`
      : 'No idle command is set',
  );
}

// Everything an agent writes is its user's alone.
process.umask(0o077);
const [command, ...words] = process.argv.slice(2);
const silence = Number(words[0] ?? longestSilence);
const bundle = fileURLToPath(import.meta.url);
try {
  protectHome();
  if (command === 'serve' && silence > 0) await serve(silence);
  else if (command === 'blobs' && silence > 0) {
    await serveBlobs(process.stdin, process.stdout, silence * 1000);
    // Its input may be a dead link that never ends.
    process.exit(0);
  } else if (command === 'supervise' && words[0] && isSlot(words[0])) {
    await supervise(words[0]);
  } else if (command === 'generate') await generate(words);
  else if (command === 'task') await taskMain();
  else if (command === 'idle-command') await idleCommand(words);
  else {
    console.error(
      'usage: agent.js serve [SILENCE_IN_SECONDS] | blobs [SILENCE_IN_SECONDS] | supervise SLOT | generate SLOT DEVICE BASE HASH | task | idle-command [off | MINUTES -- COMMAND [ARGUMENT...]]',
    );
    process.exitCode = 2;
  }
} catch (cause) {
  console.error(cause instanceof ParaError ? cause.describe() : cause);
  process.exitCode = 1;
}
