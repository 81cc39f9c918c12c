import type { Handlers } from '../../protocol/connection.ts';
import type { Method } from '../../protocol/contract.ts';
import type { Subscriptions } from '../subscriptions.ts';

/** What the handlers need of their surroundings. */
export interface ServerContext {
  /** Version of this agent. */
  readonly version: string;
  /** Bundle that supervisors are started from. */
  readonly bundle: string;
  readonly subscriptions: () => Subscriptions;
}

/** The handlers of one group of requests, named by its table in the contract. */
export type HandlersOf<Table> = Pick<Handlers, keyof Table & Method>;
