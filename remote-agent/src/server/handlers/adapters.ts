import type { adapterRequests } from '../../protocol/contract/adapters.ts';
import { listAdapters, putAdapter } from '../adapter-store.ts';
import { runTask } from '../bases/run-task.ts';
import type { HandlersOf, ServerContext } from './context.ts';

export const adapterHandlers = ({ bundle }: ServerContext): HandlersOf<typeof adapterRequests> => ({
  'adapters/list': () => ({ adapters: listAdapters() }),
  'adapters/put': ({ sha256, name }) => putAdapter(sha256, name),
  'adapters/export': (how) => runTask(bundle, { task: 'export', how }),
});
