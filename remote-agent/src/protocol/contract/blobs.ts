import { Type } from '@sinclair/typebox';
import { Sha256 } from '../names.ts';
import { closed, type Requests } from './parts.ts';

export const blobRequests = {
  'blobs/missing': {
    about: 'Which of these blobs the host does not have yet.',
    repeatable: true,
    params: Type.Object({ hashes: Type.Array(Sha256, { maxItems: 20_000 }) }, closed),
    result: Type.Object({ missing: Type.Array(Sha256) }),
  },
} as const satisfies Requests;
