import { existsSync } from 'node:fs';
import { ParaError } from '../../common/errors.ts';
import { gpus } from '../../jobs/gpus.ts';
import { lockHolder } from '../../jobs/lock.ts';
import { slotLock } from '../../jobs/queue.ts';
import { slotsFor } from '../../jobs/slots.ts';
import type { DrawRequest, generationRequests } from '../../protocol/contract/generation.ts';
import { findAdapter } from '../adapter-store.ts';
import { baseHash } from '../bases/hashes.ts';
import { drawResident } from '../generation/client.ts';
import { type GeneratorKey, generatorFiles } from '../generation/place.ts';
import type { HandlersOf, ServerContext } from './context.ts';

/** Where to draw: beside a loaded base, else where nobody trains, else in the first slot. */
async function placeFor(request: DrawRequest, hash: string, bundle: string): Promise<GeneratorKey> {
  const device = request.device ?? ((await gpus()).length > 0 ? 'cuda' : 'cpu');
  const keys = (await slotsFor(device)).map(
    (slot): GeneratorKey => ({ base: request.base, baseHash: hash, slot, device, bundle }),
  );
  return (
    keys.find((key) => existsSync(generatorFiles(key).socket)) ??
    keys.find(({ slot }) => lockHolder(slotLock(slot)) === undefined) ??
    keys[0]!
  );
}

export function generationHandlers({ bundle, notify }: ServerContext): HandlersOf<typeof generationRequests> {
  /** The requests that run, by id. */
  const running = new Map<string, AbortController>();
  return {
    'generation/draw': async (request) => {
      const { id, base } = request;
      if (running.has(id))
        throw new ParaError('exists', 'A drawing request of this id is running', {
          where: id,
          hint: 'give each request an id of its own',
        });
      const control = new AbortController();
      running.set(id, control);
      try {
        const hash = await baseHash(base, bundle);
        if (request.baseHash !== undefined && request.baseHash !== hash)
          throw new ParaError('base', `The host's base "${base}" is not the one that is wanted`, {
            where: `there ${hash.slice(0, 12)}, wanted ${request.baseHash.slice(0, 12)}`,
            hint: 'import the same base on the host, or give it another name',
          });
        const combinations = [request.adapters, ...(request.beside ?? [])];
        const files = combinations.flat().map(({ source }) => findAdapter(source));
        const key = await placeFor(request, hash, bundle);
        const tell = (progress: Parameters<typeof notify<'generation/progress'>>[1]['progress']) =>
          void notify('generation/progress', { id, progress }).catch(() => {});
        const pictures = await drawResident(key, { op: 'draw', request, files }, tell, control.signal);
        return { baseHash: hash, pictures };
      } finally {
        running.delete(id);
      }
    },
    'generation/cancel': ({ id }) => {
      running.get(id)?.abort();
      return {};
    },
  };
}
