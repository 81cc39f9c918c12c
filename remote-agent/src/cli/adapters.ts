import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type Adapter, checkBase, decodeAdapter, operatorsOf } from '../adapters/adapter.ts';
import { methodByName } from '../adapters/methods.ts';
import { ParaError } from '../common/errors.ts';
import type { AppliedAdapter } from '../diffusion/adapter-slots.ts';
import type { Base } from '../diffusion/base.ts';
import { jobFiles } from '../jobs/job.ts';

/** The adapter file that a path stands for: itself, or that of a run's folder. */
export function adapterPath(path: string): string {
  const inRun = join(path, 'adapter.safetensors');
  return existsSync(path) && statSync(path).isDirectory() && existsSync(jobFiles(path).spec) ? inRun : path;
}

/** Reads an adapter file. @throws ParaError `adapter` or `safetensors` */
export function loadAdapter(path: string): Adapter {
  const file = adapterPath(path);
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(file);
  } catch (cause) {
    throw new ParaError('adapter', 'The adapter file cannot be read', {
      where: file,
      hint: 'check the path',
      cause,
    });
  }
  return decodeAdapter(bytes, file);
}

/** An adapter file as sampling takes it. @throws ParaError `adapter-base-mismatch` when it was made for another base */
export function loadApplied(path: string, strength: number, base: Base): AppliedAdapter {
  const adapter = loadAdapter(path);
  checkBase(adapter, base, path);
  return { operators: operatorsOf(adapter), strength, name: path, method: methodByName(adapter.method) };
}

/** Number of trained values in an adapter. */
export const parameterCount = (adapter: Adapter): number =>
  [...adapter.tensors.values()].reduce((n, t) => n + t.data.length, 0);
