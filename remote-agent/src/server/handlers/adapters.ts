import { baseWeights } from '../../adapters/base-weights.ts';
import { exportAdapter } from '../../adapters/export.ts';
import { readAdapterFor } from '../../diffusion/applied.ts';
import { openBase } from '../../diffusion/base.ts';
import type { adapterRequests } from '../../protocol/contract/adapters.ts';
import { findAdapter, listAdapters, putAdapter } from '../adapter-store.ts';
import { keepForClient } from '../outbox.ts';
import type { HandlersOf } from './context.ts';

export const adapterHandlers = (): HandlersOf<typeof adapterRequests> => ({
  'adapters/list': () => ({ adapters: listAdapters() }),
  'adapters/put': ({ sha256, name }) => putAdapter(sha256, name),
  'adapters/export': ({ source, base: name, format, as, names }) => {
    const base = openBase(name);
    const { adapter } = readAdapterFor(findAdapter(source), base);
    const files = exportAdapter(adapter, {
      ...{ format, ...baseWeights(base.unet.path) },
      ...(as ? { as } : {}),
      ...(names ? { names } : {}),
    });
    return {
      method: adapter.method,
      files: [...files].map(([file, bytes]) => ({ name: file, ...keepForClient(bytes) })),
    };
  },
});
