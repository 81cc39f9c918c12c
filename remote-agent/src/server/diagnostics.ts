import { existsSync, readdirSync, statfsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { idleLock } from '../jobs/idle-command.ts';
import { runsFolder } from '../jobs/job.ts';
import { readHolder } from '../jobs/lock.ts';
import { isAlive } from '../jobs/process-life.ts';
import { jobFolder, slotLock, stateOf } from '../jobs/queue.ts';
import { queueLock, readQueue } from '../jobs/queue-file.ts';
import { isSlot } from '../jobs/slots.ts';
import type { Diagnostics } from '../protocol/contract/host.ts';
import { endOf } from './end-of-file.ts';
import { hostFacts } from './facts.ts';

/** Bytes of each log that are told. */
const logEnd = 16 << 10;
const mostLogs = 20;

/** File systems that other machines may write to, by the number the kernel gives them. */
const shared = new Map([
  [0x6969, 'NFS'],
  [0xff534d42, 'CIFS'],
  [0xfe534d42, 'SMB'],
  [0x0bd00bd0, 'Lustre'],
  [0x00c36400, 'Ceph'],
  [0x47504653, 'GPFS'],
  [0x19830326, 'BeeGFS'],
  [0x01161970, 'GFS2'],
  [0x65735546, 'FUSE'],
]);

/** What is to be said where this agent's folder lies on a network file system; `undefined` elsewhere. */
export function networkFileSystem(home = dirname(runsFolder())): string | undefined {
  if (!existsSync(home)) return undefined;
  const name = shared.get(statfsSync(home).type >>> 0);
  if (!name) return undefined;
  return `${home} lies on a network file system (${name}): jobs work there as long as one machine alone runs them; another cannot see whether they live`;
}

/** Everything that helps to find out what is wrong on this host; no file of the user's is in it, and no secret. */
export async function diagnostics(version: string, notes: readonly string[]): Promise<Diagnostics> {
  const home = dirname(runsFolder());
  const lockAt = (name: string, path: string) => {
    const holder = readHolder(path);
    return holder ? [{ name, pid: holder.pid, alive: isAlive(holder) }] : [];
  };
  const slots = join(home, 'slots');
  const slotNames = existsSync(slots)
    ? readdirSync(slots)
        .filter((name) => name.endsWith('.lock') && isSlot(name.slice(0, -5)))
        .map((name) => name.slice(0, -5))
    : [];
  const queue = readQueue();
  const logs = join(home, 'logs');
  const logNames = existsSync(logs) ? readdirSync(logs).filter((name) => /^[\w-]+\.txt$/.test(name)) : [];
  return {
    facts: await hostFacts(version),
    notes: [...notes],
    queue: queue.map((item) => ({
      id: item.id,
      client: item.client,
      device: item.device,
      state: stateOf(item) ?? 'gone',
      ...(item.taken ? { slot: item.taken.slot } : {}),
    })),
    locks: [
      ...lockAt('queue', queueLock()),
      ...lockAt('idle command', idleLock()),
      ...slotNames.flatMap((slot) => lockAt(`slot ${slot}`, slotLock(slot))),
      ...queue.flatMap(({ id }) => [
        ...lockAt(`supervisor of ${id}`, join(jobFolder(id), 'supervisor.lock')),
        ...lockAt(`trainer of ${id}`, join(jobFolder(id), 'trainer.lock')),
      ]),
    ],
    logs: logNames.slice(0, mostLogs).map((name) => ({ name, text: endOf(join(logs, name), logEnd) })),
  };
}
