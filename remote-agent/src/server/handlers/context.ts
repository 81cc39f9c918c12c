import type { Handlers } from '../../protocol/connection.ts';
import type { Method, Notice, NoticeParams } from '../../protocol/contract.ts';
import type { JobInfos } from '../job-info.ts';
import type { Subscriptions } from '../subscriptions.ts';

/** What the handlers need of their surroundings. */
export interface ServerContext {
  /** Version of this agent. */
  readonly version: string;
  /** Bundle that supervisors, generators and tasks are started from. */
  readonly bundle: string;
  readonly infos: JobInfos;
  readonly subscriptions: () => Subscriptions;
  /** Tells the client something; resolves when the stream has taken it. */
  readonly notify: <N extends Notice>(notice: N, params: NoticeParams<N>) => Promise<void>;
  /** Notes who is at the other end. */
  readonly greet: (client: string) => void;
  /** Who is at the other end: turns in the queue are taken between clients. */
  readonly client: () => string;
}

/** The handlers of one group of requests, named by its table in the contract. */
export type HandlersOf<Table> = Pick<Handlers, keyof Table & Method>;
