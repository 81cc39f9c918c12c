import { openBase } from '../../diffusion/base.ts';
import { baseFolders } from '../../diffusion/base-places.ts';
import type { baseRequests } from '../../protocol/contract/bases.ts';
import type { HandlersOf } from './context.ts';

export const baseHandlers = (): HandlersOf<typeof baseRequests> => ({
  'bases/list': () => ({
    bases: baseFolders().map(({ name }) => ({ name, hash: openBase(name).hash })),
  }),
});
