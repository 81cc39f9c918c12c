import { baseWeights } from '../../adapters/base-weights.ts';
import { exportAdapter } from '../../adapters/export.ts';
import { readAdapterFor } from '../../diffusion/applied.ts';
import { openBase } from '../../diffusion/base.ts';
import { baseOrigin } from '../../diffusion/checkpoint/weight-hashes.ts';
import type { Params, Result } from '../../protocol/contract.ts';
import { findAdapter } from '../adapter-store.ts';
import { keepForClient } from '../outbox.ts';

/** Writes an adapter in another tool's layout, for its client to fetch. @throws ParaError `adapter`, `base`, `run` */
export async function exportHere({
  source,
  base: name,
  format,
  as,
  names,
}: Params<'adapters/export'>): Promise<Result<'adapters/export'>> {
  const base = openBase(name);
  const { adapter } = readAdapterFor(findAdapter(source), base);
  const origin = await baseOrigin(base.directory);
  const files = exportAdapter(adapter, {
    ...{ format, ...baseWeights(base.unet) },
    ...(as ? { as } : {}),
    ...(names ? { names } : {}),
    ...(origin ? { origin } : {}),
  });
  return {
    method: adapter.method,
    files: [...files].map(([file, bytes]) => ({ name: file, ...keepForClient(bytes) })),
  };
}
