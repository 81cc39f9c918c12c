import { Type } from '@sinclair/typebox';
import { JobId } from '../names.ts';
import { closed, Nothing, type Requests } from './parts.ts';

export const eventRequests = {
  'events/subscribe': {
    about:
      'Sends the events of a job from a number on, then each new one as it happens. `last` is the time of event fromSeq - 1 as the client has it: where the log says otherwise (a power cut took its end), all is sent again from 1 and `restarted` is true. A connection has at most 256 subscriptions.',
    repeatable: true,
    params: Type.Object(
      {
        id: JobId,
        fromSeq: Type.Integer({ minimum: 1 }),
        last: Type.Optional(Type.String({ maxLength: 40 })),
      },
      closed,
    ),
    result: Type.Object({ subscription: Type.Integer(), restarted: Type.Boolean() }),
  },
  'events/unsubscribe': {
    about: 'Ends a subscription.',
    repeatable: true,
    params: Type.Object({ subscription: Type.Integer() }, closed),
    result: Nothing,
  },
} as const satisfies Requests;
