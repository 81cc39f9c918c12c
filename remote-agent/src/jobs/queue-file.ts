import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ParaError } from '../common/errors.ts';
import { writeFileAtomic } from '../common/files.ts';
import { runsFolder } from './job.ts';
import { underLock } from './lock.ts';
import { withReserve } from './reserve.ts';

/** A job that waits or runs, as the queue knows it. */
export interface QueueItem {
  readonly id: string;
  /** Who gave it: turns are taken between clients. */
  readonly client: string;
  /** Device it is to run on. */
  readonly device: string;
  /** The slot that took it, and in which boot of the machine; absent while it waits. */
  readonly taken?: { readonly slot: string; readonly boot: string };
}

const home = () => dirname(runsFolder());
const queueFile = () => join(home(), 'queue.json');
export const queueLock = () => join(home(), 'queue.lock');

/**
 * The jobs that wait or run, the waiting ones in the order they will run in. One small file, so that the thousands of
 * jobs that are over cost nothing.
 * @throws ParaError `run` when the file is damaged
 */
export function readQueue(): readonly QueueItem[] {
  let text: string;
  try {
    text = readFileSync(queueFile(), 'utf8');
  } catch (cause) {
    // Nothing was ever queued.
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw cause;
  }
  try {
    return (JSON.parse(text) as { jobs: QueueItem[] }).jobs;
  } catch (cause) {
    throw new ParaError('run', 'The queue of this host is damaged', {
      where: queueFile(),
      hint: 'remove this file and resume the jobs that waited',
      cause,
    });
  }
}

/** Changes the queue in one step; nobody else changes it meanwhile. @returns what `change` returns as second */
export function changeQueue<T>(change: (items: QueueItem[]) => readonly [readonly QueueItem[], T]): T {
  return withReserve(() =>
    underLock(queueLock(), 'the queue', () => {
      const before = readQueue();
      const [after, result] = change([...before]);
      if (JSON.stringify(after) !== JSON.stringify(before))
        writeFileAtomic(queueFile(), `${JSON.stringify({ jobs: after }, null, 1)}\n`);
      return result;
    }),
  );
}

/**
 * Where a new job of a client goes, so that clients take turns: each has one job a round, those of a round in the
 * order they came. A running job is its client's turn in the first round.
 * @returns index in `items`
 */
export function fairPlace(items: readonly QueueItem[], client: string): number {
  const seen = new Map<string, number>();
  const count = (item: QueueItem) => {
    const round = (seen.get(item.client) ?? 0) + 1;
    seen.set(item.client, round);
    return round;
  };
  for (const item of items) if (item.taken) count(item);
  const round = items.filter((item) => item.client === client).length + 1;
  // Never before another of the same client, wherever that one was moved to.
  const own = items.findLastIndex((item) => item.client === client && !item.taken);
  const later = items.findIndex((item, index) => !item.taken && count(item) > round && index > own);
  return later < 0 ? items.length : later;
}
