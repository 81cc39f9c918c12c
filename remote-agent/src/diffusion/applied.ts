import { type Adapter, checkBase, operatorsOf } from '../adapters/adapter.ts';
import { baseWeights } from '../adapters/base-weights.ts';
import { type ImportedAdapter, readAdapter } from '../adapters/import.ts';
import { methodByName } from '../adapters/methods.ts';
import type { AppliedAdapter } from './adapter-slots.ts';
import type { Base } from './base.ts';

/**
 * Reads an adapter of any layout for a base.
 * @throws ParaError `adapter`, `safetensors`, or `adapter-base-mismatch` when it was made for another base
 */
export function readAdapterFor(file: string, base: Base): ImportedAdapter {
  const read = readAdapter(file, baseWeights(base.unet).layers);
  checkBase(read.adapter, base, file);
  return read;
}

/** An adapter as sampling takes it. @param name how messages call it */
export function applied(adapter: Adapter, strength: number, name: string): AppliedAdapter {
  return { operators: operatorsOf(adapter), strength, name, method: methodByName(adapter.method) };
}
