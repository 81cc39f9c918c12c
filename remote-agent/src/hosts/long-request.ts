import { randomBytes } from 'node:crypto';
import type { ClientEnd } from '../protocol/connection.ts';
import type { Method, NoticeParams, Params, Result } from '../protocol/contract.ts';
import { asParaError, type HostSession } from './session.ts';

/** Longest that a timer takes: such a request ends when it ends, and pings tell whether the host is still there. */
const noLimit = 2 ** 31 - 1;

type ProgressNotice = 'generation/progress' | 'bases/progress';
type LongMethod =
  | 'adapters/export'
  | 'generation/draw'
  | 'bases/import'
  | 'bases/check'
  | 'bases/list'
  | 'jobs/plan';

const listeners = new WeakMap<ClientEnd, Map<string, (params: never) => void>>();

/** The handlers of a connection by notice and request, registered at it once. */
function handlersOf(client: ClientEnd): Map<string, (params: never) => void> {
  const known = listeners.get(client);
  if (known) return known;
  const handlers = new Map<string, (params: never) => void>();
  listeners.set(client, handlers);
  for (const notice of ['generation/progress', 'bases/progress'] as const)
    client.on(notice, (params) => handlers.get(`${notice} ${params.id}`)?.(params as never));
  return handlers;
}

/** A name for one request. */
export const requestId = (): string => randomBytes(12).toString('hex');

/** Calls a request that takes as long as it takes. @throws ParaError */
export async function callLong<M extends LongMethod>(
  session: HostSession,
  method: M,
  params: Params<M>,
): Promise<Result<M>> {
  try {
    return await session.client.call(method, params, noLimit);
  } catch (cause) {
    throw asParaError(cause, session.profile);
  }
}

/** Hands the progress of one request to a handler while `work` goes on. */
export async function withProgress<N extends ProgressNotice, T>(
  session: HostSession,
  notice: N,
  id: string,
  handler: (params: NoticeParams<N>) => void,
  work: () => Promise<T>,
): Promise<T> {
  const handlers = handlersOf(session.client);
  const key = `${notice} ${id}`;
  handlers.set(key, handler as (params: never) => void);
  try {
    return await work();
  } finally {
    handlers.delete(key);
  }
}

/** Sends `cancel` for a request when the caller gives it up. @returns a function that stops looking */
export function cancelOn(
  session: HostSession,
  signal: AbortSignal | undefined,
  method: (Method & `${string}/cancel`) & ('generation/cancel' | 'bases/cancel'),
  id: string,
): () => void {
  const cancel = () => void session.client.call(method, { id }).catch(() => {});
  if (signal?.aborted) cancel();
  signal?.addEventListener('abort', cancel);
  return () => signal?.removeEventListener('abort', cancel);
}
