import { ParaError } from '../../remote-agent/src/common/errors.ts';
import { inEnglish, type Translate } from '../../remote-agent/src/common/translate.ts';
import { findHost, type HostProfile, listHosts } from '../../remote-agent/src/hosts/profiles.ts';
import type { Prompter } from '../../remote-agent/src/hosts/prompter.ts';
import type { HostSession } from '../../remote-agent/src/hosts/session.ts';
import { isActive, type JobState } from '../../remote-agent/src/jobs/job.ts';
import type { HostFacts, JobInfo } from '../../remote-agent/src/protocol/contract.ts';
import { type Owned, Signal } from '../platform/signal.ts';
import { thisMachine } from './this-machine.ts';

/** How it stands with a host, as far as this window knows. */
export interface HostStatus {
  readonly at: 'idle' | 'connecting' | 'connected' | 'failed';
  /** Why it failed, or was lost. */
  readonly problem?: unknown;
  readonly facts?: HostFacts;
  /** Jobs that wait or run there, the first to run first. */
  readonly queue?: readonly JobInfo[];
  /** What the agent said when it was greeted. */
  readonly notes?: readonly string[];
}

const idle: HostStatus = { at: 'idle' };

/** A connection of a host from the moment that it is wanted. */
interface Connection {
  session?: Promise<HostSession>;
}

/** Opens a connection. @throws ParaError `host`, `login`, `agent`, `protocol` */
type Open = (profile: HostProfile, prompter: Prompter) => Promise<HostSession>;

/** SSH is loaded with the first connection. */
const openSession: Open = async (profile, prompter) => {
  const { HostSession } = await import('../../remote-agent/src/hosts/session.ts');
  return HostSession.open(profile, prompter);
};

/** All hosts, this machine first, and one connection to each that is used. */
export class Hosts implements Owned {
  readonly #sessions = new Map<string, Connection>();
  readonly #status = new Map<string, HostStatus>();
  /** Whose failure it is. */
  readonly #blamed = new WeakMap<object, string>();
  readonly #changed = new Signal<string>();
  /** Told with the host's name when its status or the list changes. */
  readonly onChange = this.#changed.on;

  /**
   * @param local this machine, where the extension has an agent for it
   * @param mayConnect throws where nothing may be started or connected
   * @param t texts in the editor's language
   */
  constructor(
    readonly local: () => HostProfile | undefined,
    readonly prompter: Prompter,
    readonly mayConnect: () => void,
    readonly open: Open = openSession,
    readonly t: Translate = inEnglish,
  ) {}

  list(): HostProfile[] {
    const local = this.local();
    return [...(local ? [local] : []), ...listHosts()];
  }

  /** Names of all hosts, this machine first. @throws ParaError `host` where their list cannot be read */
  names(): string[] {
    return this.list().map(({ name }) => name);
  }

  /** @throws ParaError `host` */
  profile(name: string): HostProfile {
    if (name !== thisMachine) return findHost(name);
    const local = this.local();
    if (local) return local;
    throw new ParaError('host', this.t('This copy of the extension has no agent for this machine'), {
      hint: this.t('add a host, or install the extension that is made for this platform'),
    });
  }

  status(name: string): HostStatus {
    return this.#status.get(name) ?? idle;
  }

  /** Whoever changed the list of hosts says so. */
  listChanged(name: string): void {
    this.disconnect(name);
    this.#changed.fire(name);
  }

  /** The connection to a host, opened when needed and shared. @throws ParaError `host`, `login`, `agent`, `protocol` */
  session(name: string): Promise<HostSession> {
    try {
      this.mayConnect();
    } catch (cause) {
      // It says nothing about the host.
      return Promise.reject(cause);
    }
    const known = this.#sessions.get(name)?.session;
    if (known) return known;
    const connection: Connection = {};
    this.#sessions.set(name, connection);
    connection.session = this.#open(name, connection);
    return connection.session;
  }

  async #open(name: string, connection: Connection): Promise<HostSession> {
    // One that was given up, or replaced by another, says nothing about the host any more.
    const counts = () => this.#sessions.get(name) === connection;
    const failed = (problem: unknown) => {
      if (!counts()) return;
      this.#sessions.delete(name);
      this.#set(name, { at: 'failed', problem });
    };
    this.#set(name, { at: 'connecting' });
    try {
      const session = await this.open(this.profile(name), this.prompter);
      session.closed.then(() => {
        const problem = session.lost();
        this.blame(problem, name);
        failed(problem);
      });
      if (counts()) this.#set(name, { at: 'connected', notes: session.notes });
      return session;
    } catch (problem) {
      this.blame(problem, name);
      failed(problem);
      throw problem;
    }
  }

  /** Notes which host a failure is about: it is told far from where that is known. */
  blame(problem: unknown, name: string): void {
    if (typeof problem === 'object' && problem !== null) this.#blamed.set(problem, name);
  }

  /** The host that a failure is about, where that is known and the host still there. */
  blamed(problem: object): HostProfile | undefined {
    const name = this.#blamed.get(problem);
    try {
      return name === undefined ? undefined : this.list().find((host) => host.name === name);
    } catch {
      // The failure is to be told though the list of hosts is damaged.
      return undefined;
    }
  }

  /** Asks a connected host for facts and queue; does nothing where there is no connection. */
  async refresh(name: string): Promise<void> {
    if (this.status(name).at !== 'connected') return;
    const session = await this.session(name);
    const [facts, { jobs }] = await Promise.all([
      session.call('host/facts', {}),
      session.call('jobs/list', { limit: 200 }),
    ]);
    const queue = jobs
      .filter(({ state }) => isActive(state as JobState))
      .sort((a, b) => (a.queuePlace ?? 0) - (b.queuePlace ?? 0));
    if (this.status(name).at === 'connected') this.#set(name, { ...this.status(name), facts, queue });
  }

  /** Closes the connection to a host; the next use opens another. */
  disconnect(name: string): void {
    const connection = this.#sessions.get(name);
    this.#sessions.delete(name);
    connection?.session?.then(
      (open) => open.close(),
      () => {},
    );
    if (this.#status.has(name)) this.#set(name, idle);
  }

  #set(name: string, status: HostStatus): void {
    this.#status.set(name, status);
    this.#changed.fire(name);
  }

  dispose(): void {
    for (const name of [...this.#sessions.keys()]) this.disconnect(name);
  }
}
