import type { adapterRequests } from '../../protocol/contract/adapters.ts';
import { listAdapters, putAdapter } from '../adapter-store.ts';
import type { HandlersOf } from './context.ts';

export const adapterHandlers = (): HandlersOf<typeof adapterRequests> => ({
  'adapters/list': () => ({ adapters: listAdapters() }),
  'adapters/put': ({ sha256, name }) => putAdapter(sha256, name),
});
