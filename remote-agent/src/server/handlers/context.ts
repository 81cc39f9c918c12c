import type { Handlers } from '../../protocol/connection.ts';
import type { Method, Notice, NoticeParams } from '../../protocol/contract.ts';
import type { Subscriptions } from '../subscriptions.ts';

/** What the handlers need of their surroundings. */
export interface ServerContext {
  /** Version of this agent. */
  readonly version: string;
  /** Bundle that supervisors, generators and tasks are started from. */
  readonly bundle: string;
  readonly subscriptions: () => Subscriptions;
  /** Tells the client something; resolves when the stream has taken it. */
  readonly notify: <N extends Notice>(notice: N, params: NoticeParams<N>) => Promise<void>;
}

/** The handlers of one group of requests, named by its table in the contract. */
export type HandlersOf<Table> = Pick<Handlers, keyof Table & Method>;
