import { ParaError } from '../../remote-agent/src/common/errors.ts';
import type { HostProfile } from '../../remote-agent/src/hosts/profiles.ts';
import type { HostSession } from '../../remote-agent/src/hosts/session.ts';
import { changeState, jobFiles } from '../../remote-agent/src/jobs/job.ts';
import { lockHolder } from '../../remote-agent/src/jobs/lock.ts';
import { thisMachine } from '../hosts/this-machine.ts';
import { type Owned, Signal } from '../platform/signal.ts';
import { noteLink } from './link-log.ts';
import { isActive, type Run, readRun } from './run.ts';
import type { RunStore } from './store.ts';

/** How it stands with the link of a run to its host. */
export interface RunLink {
  readonly at: 'connected' | 'waiting' | 'stopped';
  /** Why it was lost. */
  readonly problem?: unknown;
}

/** What bringing runs home needs of the hosts. */
export interface HomecomingHosts {
  profile(name: string): HostProfile;
  /** The one connection to a host, which whoever else looks at it has too. */
  session(name: string): Promise<HostSession>;
  /** Throws where nothing may be connected. */
  readonly mayConnect: () => void;
}

/** How often runs that another window or program brings home are looked at again, in ms. */
const lookEvery = 5000;

/**
 * Brings home what active runs do on their hosts: one window or program follows a run, all read its folder. Lost links
 * are taken up again for as long as the run is active.
 */
export class Homecoming implements Owned {
  readonly #following = new Map<
    string,
    { readonly controller: AbortController; readonly over: Promise<void> }
  >();
  /** Runs that something else writes for a while. */
  readonly #released = new Set<string>();
  readonly #links = new Map<string, RunLink>();
  readonly #changed = new Signal<string>();
  /** Told with the run's id when its link changes. */
  readonly onChange = this.#changed.on;
  readonly #owned: Owned[];

  constructor(
    readonly store: RunStore,
    readonly hosts: HomecomingHosts,
    readonly tell: (problem: unknown) => void,
  ) {
    const timer = setInterval(() => this.#look(), lookEvery);
    timer.unref();
    this.#owned = [store.onChange(() => this.#look()), { dispose: () => clearInterval(timer) }];
  }

  /** The link of a run that is followed here; `undefined` for all others. */
  link(id: string): RunLink | undefined {
    return this.#links.get(id);
  }

  /** Tries again now, with every run of a host, those included that were given up. */
  reconnect(host: string): void {
    for (const { id, host: own } of this.store.all()) {
      if (own !== host) continue;
      this.#links.delete(id);
      const following = this.#following.get(id);
      following?.controller.abort();
      // Its folder is locked until then.
      void following?.over.then(() => this.#look());
    }
    this.#look();
  }

  #look(): void {
    try {
      this.hosts.mayConnect();
    } catch {
      return;
    }
    for (const run of this.store.all()) {
      if (run.host === thisMachine || !isActive(run)) continue;
      if (
        this.#released.has(run.id) ||
        this.#following.has(run.id) ||
        this.#links.get(run.id)?.at === 'stopped'
      )
        continue;
      if (lockHolder(jobFiles(run.directory).mirror)) continue;
      const controller = new AbortController();
      const over = this.#follow(run, controller).finally(() => this.#following.delete(run.id));
      this.#following.set(run.id, { controller, over });
    }
  }

  /** Leaves the folder of a run to `work`, and follows it again afterwards where there is something to follow. */
  async without<T>(id: string, work: () => Promise<T>): Promise<T> {
    this.#released.add(id);
    try {
      const following = this.#following.get(id);
      following?.controller.abort();
      await following?.over;
      return await work();
    } finally {
      this.#released.delete(id);
      this.#links.delete(id);
      this.#changed.fire(id);
      this.#look();
    }
  }

  async #follow(run: Run, { signal }: AbortController): Promise<void> {
    const set = (link: RunLink) => {
      if (signal.aborted) return;
      this.#links.set(run.id, link);
      this.#note(run, link);
      this.#changed.fire(run.id);
    };
    try {
      const { followJob } = await import('../../remote-agent/src/hosts/follow.ts');
      await followJob(this.hosts.profile(run.host), run.directory, {
        session: () => this.hosts.session(run.host),
        signal,
        onLink: ({ at }, problem) =>
          set(at === 'connected' ? { at } : { at: 'waiting', ...(problem ? { problem } : {}) }),
      });
      this.#links.delete(run.id);
      this.#changed.fire(run.id);
    } catch (problem) {
      if (signal.aborted || isLocked(problem)) return;
      if (isGone(problem)) giveUp(run, problem);
      set({ at: 'stopped', problem });
      this.tell(problem);
    } finally {
      await this.store.refresh();
    }
  }

  /** Keeps it for whoever looks later. */
  #note({ directory }: Run, link: RunLink): void {
    try {
      noteLink(directory, link, new Date().toISOString());
    } catch {
      // What is wrong with the folder is told by what brings the run home into it.
    }
  }

  dispose(): void {
    for (const { controller } of this.#following.values()) controller.abort();
    for (const owned of this.#owned) owned.dispose();
  }
}

/** The host has no such job: it was deleted there, or never arrived. */
const isGone = (cause: unknown): cause is ParaError => cause instanceof ParaError && cause.code === 'run';

/** Nothing more comes of a run; what came home stays, to be continued elsewhere or deleted. */
function giveUp({ directory, host, job }: Run, { message }: ParaError): void {
  const now = readRun(directory);
  if (!now || !isActive(now) || now.host !== host || now.job !== job) return;
  changeState(directory, 'failed', { error: `${host}: ${message}` });
}

/** Another window was quicker. */
const isLocked = (cause: unknown) => (cause as { code?: string } | undefined)?.code === 'locked';
