import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type Adapter, decodeAdapter, isOwnFile } from '../adapters/adapter.ts';
import { decodeSafetensors } from '../adapters/safetensors.ts';
import { ParaError } from '../common/errors.ts';
import { diskError, writeFileAtomic } from '../common/files.ts';
import { readAdapterFor } from '../diffusion/applied.ts';
import { openBase } from '../diffusion/base.ts';
import { placeFile } from '../diffusion/base-files.ts';
import { baseFolders, paraHome } from '../diffusion/base-places.ts';
import { blobPath, missingBlobs } from '../jobs/blob-store.ts';
import { jobFiles, listRuns } from '../jobs/job.ts';
import type { AdapterInfo } from '../protocol/contract/adapters.ts';
import type { AdapterSource } from '../protocol/contract/generation.ts';
import { isSha256 } from '../protocol/names.ts';
import { fileOfJob, findJob } from './find-job.ts';

/** Beside `adapters/`, where a person puts files under names of their own. */
const folder = () => join(paraHome(), 'received');
const described = (sha256: string) => join(folder(), `${sha256}.json`);

/** Where an adapter that was put here lies by its hash. */
export const adapterPath = (sha256: string): string => join(folder(), `${sha256}.safetensors`);

/**
 * Registers a blob as an adapter.
 * @throws ParaError `blob` where it was not sent, `safetensors` for damaged files, `adapter` for those of other kinds and
 *   those of other tools that fit no base of this host
 */
export function putAdapter(sha256: string, name: string): AdapterInfo {
  const target = adapterPath(sha256);
  const from = existsSync(target) ? target : blobPath(sha256);
  if (from !== target && missingBlobs([sha256]).length > 0)
    throw new ParaError('blob', 'The adapter was not sent', { where: sha256, hint: 'send it first' });
  const { method, info } = readSomehow(from);
  const entry: AdapterInfo = {
    source: { sha256 },
    name,
    method,
    base: {
      ...(info.baseName ? { name: info.baseName } : {}),
      ...(info.baseHash ? { hash: info.baseHash } : {}),
    },
    ...(info.subject ? { subject: info.subject } : {}),
    ...(info.steps === undefined ? {} : { steps: info.steps }),
    bytes: statSync(from).size,
    ...(info.date ? { createdAt: info.date } : {}),
  };
  if (from !== target) place(from, target);
  writeFileAtomic(described(sha256), `${JSON.stringify(entry)}\n`);
  return entry;
}

/** Our own files say all themselves; those of other tools are understood against a base that has their layers. */
function readSomehow(file: string): Adapter {
  const bytes = readFileSync(file);
  if (isOwnFile(decodeSafetensors(bytes, file).metadata)) return decodeAdapter(bytes, file);
  let first: unknown;
  for (const { directory } of baseFolders())
    try {
      return readAdapterFor(file, openBase(directory)).adapter;
    } catch (cause) {
      first ??= cause;
    }
  throw first;
}

function place(from: string, target: string): void {
  try {
    placeFile(from, target);
  } catch (cause) {
    throw diskError(cause, target);
  }
}

/** Adapters of jobs, newest first, then those that were put here. */
export function listAdapters(): AdapterInfo[] {
  const ofJobs = listRuns()
    .filter(({ directory }) => existsSync(jobFiles(directory).adapter))
    .map(
      ({ id, directory, spec, status }): AdapterInfo => ({
        source: { job: id },
        name: id,
        method: spec.method.name,
        base: spec.base,
        subject: spec.subject,
        steps: status.step,
        bytes: statSync(jobFiles(directory).adapter).size,
        createdAt: spec.createdAt,
      }),
    );
  const names = existsSync(folder()) ? readdirSync(folder()).filter((name) => name.endsWith('.json')) : [];
  const put = names.map((name) => JSON.parse(readFileSync(join(folder(), name), 'utf8')) as AdapterInfo);
  return [...ofJobs, ...put];
}

/** The file of an adapter on this host. @throws ParaError `adapter` where there is none */
export function findAdapter(source: AdapterSource): string {
  const missing = (where: string, hint: string) =>
    new ParaError('adapter', 'The host has no such adapter', { where, hint });
  if ('sha256' in source) {
    const path = adapterPath(source.sha256);
    if (isSha256(source.sha256) && existsSync(path)) return path;
    throw missing(source.sha256, 'put it there first');
  }
  const { job, file = 'adapter.safetensors' } = source;
  const path = fileOfJob(findJob(job), file);
  if (path) return path;
  throw missing(`${job}/${file}`, 'a job has its adapter when it is finished, or its checkpoints before');
}
