// The agent on a host: `serve` (requests on stdio), `blobs` (bytes on stdio), `supervise SLOT` (jobs, one by one),
// `generate SLOT DEVICE BASE HASH` (a resident generator), `task` (slow work on bases).
// It opens no port: whoever can log in can start it, and nobody else.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { superviseSlot } from '../jobs/supervisor.ts';
import { type AgentEnd, serveRequests } from '../protocol/connection.ts';
import { taskMain } from './bases/task-main.ts';
import { serveBlobs } from './blob-server.ts';
import { toFailure } from './failure.ts';
import { runResident } from './generation/resident.ts';
import { makeHandlers } from './handlers.ts';
import { jobInfo } from './job-info.ts';
import { Subscriptions } from './subscriptions.ts';

/** A client sends a ping every 15 s; one that is silent for so long is gone, whatever TCP believes. In ms. */
const silence = 120_000;

async function serve(): Promise<void> {
  let subscriptions: Subscriptions | undefined;
  let heard = Date.now();
  const manifest = new URL('../package.json', import.meta.url);
  const { version } = JSON.parse(readFileSync(manifest, 'utf8')) as { version: string };
  const handlers = makeHandlers({
    version,
    bundle: fileURLToPath(import.meta.url),
    subscriptions: () => subscriptions!,
    notify: (notice, params) => end.notify(notice, params),
  });
  const end: AgentEnd = serveRequests(process.stdin, process.stdout, handlers, toFailure, () => {
    heard = Date.now();
  });
  subscriptions = new Subscriptions(
    (notice) => end.notify('events', notice),
    (directory) => jobInfo(directory),
  );
  const watch = setInterval(() => {
    if (Date.now() - heard > silence) process.exit(0);
  }, 5000);
  watch.unref();
  await end.closed;
  subscriptions.stopAll();
  process.exit(0);
}

// Everything an agent writes is its user's alone.
process.umask(0o077);
const [command, slot, device, base, baseHash] = process.argv.slice(2);
const isSlot = slot !== undefined && /^(cpu|gpu\d+)$/.test(slot);
const isDevice = device === 'cpu' || device === 'cuda' || device === 'webgpu';
if (command === 'serve') await serve();
else if (command === 'blobs') await serveBlobs(process.stdin, process.stdout);
else if (command === 'supervise' && isSlot) await superviseSlot(slot);
else if (command === 'generate' && isSlot && isDevice && base && baseHash)
  await runResident({ slot, device, base, baseHash, bundle: fileURLToPath(import.meta.url) });
else if (command === 'task') await taskMain();
else {
  console.error('usage: agent.js serve | blobs | supervise SLOT | generate SLOT DEVICE BASE HASH | task');
  process.exitCode = 2;
}
