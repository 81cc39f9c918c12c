import { setTimeout as sleep } from 'node:timers/promises';
import { ParaError } from '../common/errors.ts';
import type { LoggedEvent } from '../jobs/event-log.ts';
import { isOver, type JobState } from '../jobs/job.ts';
import type { JobInfo, NoticeParams } from '../protocol/contract.ts';
import type { BlobLine } from './blob-client.ts';
import { RunMirror, type WantedFile } from './mirror.ts';
import type { HostProfile } from './profiles.ts';
import { nobody, type Prompter } from './prompter.ts';
import { type LinkState, nextLink } from './reconnect.ts';
import { HostSession } from './session.ts';

/** What a follower hears. */
export interface FollowHooks {
  readonly prompter?: Prompter;
  /** Gives a connection that others use too, opened where there is none; else one is opened for this job alone. */
  session?(): Promise<HostSession>;
  /** New events, in order; all that is known already is in the run's log. */
  onEvents?(events: readonly LoggedEvent[]): void;
  /** All events are told again from the first. */
  onRestart?(): void;
  onJob?(job: JobInfo): void;
  /** The link was lost or is back; with the reason where it was lost. */
  onLink?(state: LinkState, problem?: unknown): void;
  /** How much of a file has come home, of what size. */
  onFile?(file: string, bytes: number, size: number): void;
  /** Bring home what there is up to now, and end. */
  readonly once?: boolean;
  /** Ends the following; the job goes on. */
  readonly signal?: AbortSignal;
  /**
   * Asked while a lost link waits for its next try: resolves when the person wants it now, and stops asking when the
   * signal is given.
   */
  wantsNow?(signal: AbortSignal): Promise<void>;
}

/** Failures that another try cannot mend. */
const isFinal = (cause: unknown) => !(cause instanceof ParaError) || cause.code !== 'host';

/**
 * Brings a host's job home into its run folder until it is over: events as they happen, samples and checkpoints
 * beside them. A lost link is taken up again, endlessly, from the last event that is here.
 * @param first a session that is open already
 * @returns the job at its end, all its files fetched; `undefined` where the signal came first
 * @throws ParaError where trying again cannot help: `login`, `protocol`, `run`, `disk`, `locked`
 */
export async function followJob(
  profile: HostProfile,
  directory: string,
  hooks: FollowHooks = {},
  first?: HostSession,
): Promise<JobInfo | undefined> {
  const mirror = new RunMirror(directory);
  let session = first;
  let state: LinkState = { at: 'connecting', attempt: 0 };
  const leave = (left: HostSession | undefined) => {
    if (!hooks.session) left?.close();
  };
  try {
    while (!hooks.signal?.aborted) {
      try {
        session ??= await (hooks.session?.() ?? HostSession.open(profile, hooks.prompter ?? nobody));
        // Ended while it was opened: nothing tells of that any more.
        if (hooks.signal?.aborted) break;
        state = nextLink(state, { type: 'opened' });
        hooks.onLink?.(state);
        return await watch(session, mirror, hooks);
      } catch (cause) {
        if (hooks.signal?.aborted) break;
        state = nextLink(state, { type: 'lost', final: isFinal(cause), random: Math.random() });
        if (state.at !== 'waiting' || hooks.once) throw cause;
        hooks.onLink?.(state, cause);
      } finally {
        leave(session);
        session = undefined;
      }
      state = nextLink(state, { type: await waitedFor(state.delayMs, hooks) });
    }
    return undefined;
  } finally {
    leave(session);
    mirror.close();
  }
}

/** Waits for the next try of a lost link. @returns what ended the waiting */
async function waitedFor(ms: number, { signal, wantsNow }: FollowHooks): Promise<'waited' | 'now' | 'stop'> {
  const over = new AbortController();
  const stop = () => over.abort();
  signal?.addEventListener('abort', stop);
  try {
    const waited = sleep(ms, 'waited' as const, { signal: over.signal }).catch(() => 'stop' as const);
    const now = wantsNow?.(over.signal).then(() => 'now' as const);
    return await Promise.race(now ? [waited, now] : [waited]);
  } finally {
    signal?.removeEventListener('abort', stop);
    over.abort();
  }
}

/** Follows on one connection. @throws ParaError when it is lost */
async function watch(
  session: HostSession,
  mirror: RunMirror,
  hooks: FollowHooks,
): Promise<JobInfo | undefined> {
  const { id } = mirror.remote;
  const files = new FileFetcher(session, mirror, hooks);
  let stop: () => void = () => {};
  let unsubscribe: Promise<() => void> | undefined;
  // A session that others use too goes on after this: what it still tells is not for a mirror that is given back.
  let over = false;
  try {
    return await new Promise<JobInfo | undefined>((resolve, reject) => {
      stop = () => resolve(undefined);
      hooks.signal?.addEventListener('abort', stop);
      if (hooks.signal?.aborted) stop();
      session.closed.then(() => reject(session.lost()));
      /** The job at its end, once it is told: files may still be on their way then. */
      let end: JobInfo | undefined;
      const take = ({ events, job, ended }: NoticeParams<'events'>) => {
        if (end || over) return;
        try {
          if (ended) throw new ParaError('run', 'The job was deleted on its host', { where: id });
          const taken = mirror.accept(events);
          if (taken.length > 0) hooks.onEvents?.(taken);
          const isAtEnd = job && isOver(job.state as JobState);
          if (job) {
            // The end is told once all that it names is here: whoever hears of it looks for the adapter.
            if (!isAtEnd) mirror.tell(job);
            hooks.onJob?.(job);
            if (hooks.once || isAtEnd) end = job;
            // The host was restarted: whoever watches the run wants it to go on.
            if (job.state === 'interrupted' && !end) session.call('jobs/resume', { id }).catch(reject);
          }
          const fetched = files.fetch();
          fetched.then(() => {
            if (over || !end) return;
            mirror.tell(end);
            resolve(end);
          }, reject);
        } catch (cause) {
          reject(cause);
        }
      };
      unsubscribe = session.subscribe(id, mirror.position, take, () => {
        if (over) return;
        mirror.restart();
        hooks.onRestart?.();
      });
      unsubscribe.catch(reject);
    });
  } finally {
    hooks.signal?.removeEventListener('abort', stop);
    over = true;
    unsubscribe?.then(
      (leave) => leave(),
      () => {},
    );
    await files.stop();
  }
}

/** Fetches what a mirror wants, one file after the other; asked again while it works, it looks again at its end. */
class FileFetcher {
  #running: Promise<void> | undefined;
  readonly #line: BlobLine;
  #over = false;

  constructor(
    session: HostSession,
    readonly mirror: RunMirror,
    readonly hooks: FollowHooks,
  ) {
    this.#line = session.blobLine();
  }

  /** Breaks off what is on its way: the run folder is another's from now on. */
  async stop(): Promise<void> {
    this.#over = true;
    this.#line.close();
    await this.#running?.catch(() => {});
  }

  /** Resolves when nothing is wanted any more. */
  fetch(): Promise<void> {
    this.#running ??= this.#work().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #work(): Promise<void> {
    for (let [next] = this.mirror.wanted(); next && !this.#over; [next] = this.mirror.wanted())
      await this.#one(next);
  }

  async #one(wanted: WantedFile): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        const blobs = await this.#line.get();
        await blobs.get(this.mirror.remote.id, wanted.file, this.mirror.pathOf(wanted), (bytes, size) =>
          this.hooks.onFile?.(wanted.file, bytes, size),
        );
        if (!this.#over) this.mirror.fetched(wanted);
        return;
      } catch (cause) {
        if (this.#over || !(cause instanceof ParaError)) throw cause;
        // Replaced on the host while it was sent: what lies there now is whole again.
        if (cause.code === 'blob' && attempt < 5) continue;
        // Taken away on the host.
        if (cause.code === 'run') return this.mirror.gone(wanted);
        throw cause;
      }
    }
  }
}
