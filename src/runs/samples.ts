import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { jobFiles } from '../../remote-agent/src/jobs/job.ts';

/** The newest sample of a run; `undefined` before the first. */
export async function latestSample(directory: string): Promise<string | undefined> {
  const { samples } = jobFiles(directory);
  const names = (await readdir(samples).catch(() => [])).filter((name) => name.endsWith('.png')).sort();
  const last = names.at(-1);
  return last && join(samples, last);
}
