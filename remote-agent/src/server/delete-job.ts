import { existsSync, lstatSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { ParaError } from '../common/errors.ts';
import { freeBlobs } from '../jobs/blob-store.ts';
import { jobFiles, readSpec, runsFolder } from '../jobs/job.ts';
import { deleteJob, jobFolder } from '../jobs/queue.ts';
import { adapterPath } from './adapter-store.ts';

/**
 * Deletes a job that does not run, with its files and the blobs that nothing names any more.
 * @returns bytes that the disk has again
 * @throws ParaError `locked` while it runs
 */
export async function deleteWithBlobs(id: string): Promise<number> {
  const directory = jobFolder(id);
  const hashes = new Set(blobsOf(directory));
  // The job asked for its blobs before its spec was written: who asked later wants them for something else.
  const since = statSync(jobFiles(directory).spec, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  return (await deleteJob(id, sizeOf)) + freeUnnamed(hashes, since);
}

/**
 * Takes away those of these blobs that no job and no adapter names, unless somebody asked for them after `since` (ms
 * since 1970). @returns bytes that the disk has again
 */
export function freeUnnamed(hashes: ReadonlySet<string>, since: number): number {
  const others = existsSync(runsFolder()) ? readdirSync(runsFolder()) : [];
  const named = new Set(others.flatMap((name) => blobsOf(join(runsFolder(), name))));
  const isNamed = (sha256: string) => named.has(sha256) || existsSync(adapterPath(sha256));
  return freeBlobs(isNamed, { hashes, since });
}

/** Hashes of the blobs that a job's spec names; none for a folder that is no job. */
function blobsOf(directory: string): string[] {
  try {
    const { pictures, validationPictures } = readSpec(directory);
    return [...pictures, ...validationPictures].map(({ sha256 }) => sha256);
  } catch (cause) {
    if (cause instanceof ParaError) return [];
    throw cause;
  }
}

/** Bytes of the files in a folder that are linked nowhere else. */
function sizeOf(folder: string): number {
  let size = 0;
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    const stat = lstatSync(join(folder, name));
    if (stat.isFile() && stat.nlink === 1) size += stat.size;
  }
  return size;
}
