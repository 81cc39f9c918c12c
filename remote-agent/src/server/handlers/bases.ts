import { ParaError } from '../../common/errors.ts';
import type { baseRequests } from '../../protocol/contract/bases.ts';
import { deleteBase, registeredBase } from '../bases/places.ts';
import { runTask } from '../bases/run-task.ts';
import type { HandlersOf, ServerContext } from './context.ts';

export function baseHandlers({ bundle, notify }: ServerContext): HandlersOf<typeof baseRequests> {
  /** The imports that run, by id. */
  const running = new Map<string, AbortController>();
  return {
    'bases/list': async () => ({ bases: await runTask(bundle, { task: 'list' }) }),
    'bases/check': ({ name, full = false }) => {
      registeredBase(name);
      return runTask(bundle, { task: 'check', name, full });
    },
    'bases/delete': ({ name }) => ({ freedBytes: deleteBase(name) }),
    'bases/import': async ({ id, name, source }) => {
      if (running.has(id))
        throw new ParaError('exists', 'An import of this id is running', {
          where: id,
          hint: 'give each import an id of its own',
        });
      const control = new AbortController();
      running.set(id, control);
      try {
        return await runTask(
          bundle,
          { task: 'import', id, source, ...(name === undefined ? {} : { name }) },
          (progress) => void notify('bases/progress', { id, ...progress }).catch(() => {}),
          control.signal,
        );
      } finally {
        running.delete(id);
      }
    },
    'bases/cancel': ({ id }) => {
      running.get(id)?.abort();
      return {};
    },
  };
}
