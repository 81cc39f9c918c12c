import type { Handlers } from '../protocol/connection.ts';
import { adapterHandlers } from './handlers/adapters.ts';
import { baseHandlers } from './handlers/bases.ts';
import { blobHandlers } from './handlers/blobs.ts';
import type { ServerContext } from './handlers/context.ts';
import { eventHandlers } from './handlers/events.ts';
import { generationHandlers } from './handlers/generation.ts';
import { hostHandlers } from './handlers/host.ts';
import { jobHandlers } from './handlers/jobs.ts';

/** Every request of the contract, by group; one that is missing does not compile. */
export const makeHandlers = (context: ServerContext): Handlers => ({
  ...hostHandlers(context),
  ...baseHandlers(context),
  ...blobHandlers(),
  ...jobHandlers(context),
  ...eventHandlers(context),
  ...generationHandlers(context),
  ...adapterHandlers(context),
});
