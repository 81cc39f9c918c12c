import type { eventRequests } from '../../protocol/contract/events.ts';
import { findJob } from '../find-job.ts';
import type { HandlersOf, ServerContext } from './context.ts';

export const eventHandlers = ({ subscriptions }: ServerContext): HandlersOf<typeof eventRequests> => ({
  'events/subscribe': ({ id, fromSeq, last }) => subscriptions().start(findJob(id), fromSeq, last),
  'events/unsubscribe': ({ subscription }) => {
    subscriptions().stop(subscription);
    return {};
  },
});
