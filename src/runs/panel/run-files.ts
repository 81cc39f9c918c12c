import { open, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { LoggedEvent } from '../../../remote-agent/src/jobs/event-log.ts';
import { jobFiles } from '../../../remote-agent/src/jobs/job.ts';
import { type AdapterHeader, readAdapterHeader } from './adapter-header.ts';

/** The adapters that a run kept on the way, the newest first. */
export async function keptAdapters(directory: string): Promise<string[]> {
  const { checkpoints } = jobFiles(directory);
  const names = await readdir(checkpoints).catch(() => []);
  const kept = names.filter((name) => /^(step-\d+|best)\.safetensors$/.test(name)).sort();
  return kept.reverse().map((name) => join(checkpoints, name));
}

/** The head of a run's adapter; where it has none yet, of the newest that it kept. */
export async function adapterOf(directory: string): Promise<AdapterHeader | undefined> {
  for (const file of [jobFiles(directory).adapter, ...(await keptAdapters(directory))])
    try {
      return await readAdapterHeader(file);
    } catch (cause) {
      // Not there yet, or not any more.
      const { code } = ((cause as Error).cause ?? {}) as NodeJS.ErrnoException;
      if (code !== 'ENOENT') throw cause;
    }
  return undefined;
}

/** The end of a text file, from the beginning of a line on; empty where there is none. */
export async function endOf(path: string, most: number): Promise<{ text: string; cut: boolean }> {
  let file: Awaited<ReturnType<typeof open>>;
  try {
    file = await open(path, 'r');
  } catch {
    return { text: '', cut: false };
  }
  try {
    const { size } = await file.stat();
    const from = Math.max(0, size - most);
    const bytes = Buffer.alloc(size - from);
    const { bytesRead } = await file.read(bytes, 0, bytes.length, from);
    const text = bytes.toString('utf8', 0, bytesRead);
    return from === 0 ? { text, cut: false } : { text: text.slice(text.indexOf('\n') + 1), cut: true };
  } finally {
    await file.close();
  }
}

/** Bytes of a log's end that hold some hundred steps: a log may be long, and the editor waits while it is read. */
const stepBytes = 64 << 10;

/** Seconds that a step of a run took at its end: the middle of the last ones, so that a pause does not count. */
export async function secondsAStep(directory: string): Promise<number | undefined> {
  const seconds = (await lastEvents(directory, stepBytes))
    .flatMap((event) => (event.type === 'step' ? event.seconds : []))
    .slice(-200)
    .sort((a, b) => a - b);
  return seconds[seconds.length >> 1];
}

/**
 * How long a run trained, in seconds: what its last event says; where it was continued, or is not finished, what its
 * steps took together. `undefined` where it made none.
 */
export async function trainingSeconds(directory: string): Promise<number | undefined> {
  const finished = (await lastEvents(directory, 4096)).findLast((event) => event.type === 'finished');
  const log = await readFile(jobFiles(directory).events).catch(() => undefined);
  // A run that was continued counts from there at its end.
  if (!log || (finished && !log.includes('"type":"resumed"'))) return finished?.seconds;
  const taken = new Map<number, number>();
  // Steps that were not saved are made again.
  for (const event of eventsIn(log.toString('utf8')))
    if (event.type === 'step') taken.set(event.step, event.seconds);
  return taken.size === 0 ? undefined : [...taken.values()].reduce((a, b) => a + b);
}

/** The events in the last bytes of a run's log. */
async function lastEvents(directory: string, bytes: number): Promise<LoggedEvent[]> {
  return eventsIn((await endOf(jobFiles(directory).events, bytes)).text);
}

const eventsIn = (text: string): LoggedEvent[] =>
  text.split('\n').flatMap((line): LoggedEvent[] => {
    try {
      return [JSON.parse(line) as LoggedEvent];
    } catch {
      return []; // not whole: the end of a power cut
    }
  });
