import { missingBlobs } from '../../jobs/blob-store.ts';
import type { blobRequests } from '../../protocol/contract/blobs.ts';
import type { HandlersOf } from './context.ts';

export const blobHandlers = (): HandlersOf<typeof blobRequests> => ({
  'blobs/missing': ({ hashes }) => ({ missing: missingBlobs(hashes) }),
});
