import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ParaError } from '../common/errors.ts';
import { removeUnfinished } from '../common/files.ts';
import { EventLog, type LoggedEvent } from '../jobs/event-log.ts';
import { jobFiles, writeStatus } from '../jobs/job.ts';
import { takeLock } from '../jobs/lock.ts';
import { fromWire, toWire } from '../jobs/wire.ts';
import type { JobInfo } from '../protocol/contract.ts';
import type { WireEvent } from '../protocol/events.ts';
import { type Bring, type RemoteRef, readRemote, writeRemote } from './remote-ref.ts';

/** A file of the job that is not here yet, or only as it was before event `seq`. */
export interface WantedFile {
  readonly file: string;
  readonly seq: number;
}

/** Whether the file of an event comes home. */
function isWanted(event: WireEvent, bring: Bring): boolean {
  if (event.type !== 'checkpoint') return true;
  return bring === 'all' || (bring === 'best' && event.best === true);
}

/**
 * The writing end of a run folder that is the picture of a host's job: the same events under the same numbers, the
 * files they name, the state the host tells. One process at a time writes it; readers find a run like any other.
 */
export class RunMirror {
  readonly #directory: string;
  readonly #unlock: () => void;
  readonly #log: EventLog;
  #ref: RemoteRef;
  /** Number of the last event that named a file. */
  readonly #named = new Map<string, number>();

  /** @throws ParaError `locked` where another process brings this run home, `run` where the folder is none of a host's */
  constructor(directory: string) {
    this.#directory = directory;
    const files = jobFiles(directory);
    const ref = readRemote(directory);
    if (!ref) throw new ParaError('run', 'This run is on no host', { where: directory });
    this.#ref = ref;
    this.#unlock = takeLock(files.mirror);
    removeUnfinished(directory);
    // A long log is read once: whoever follows a run in an editor keeps the editor waiting meanwhile.
    this.#log = new EventLog(files.events, (event) => this.#note(toWire(event, directory)));
  }

  get remote(): RemoteRef {
    return this.#ref;
  }

  /** Where to go on from, as `events/subscribe` takes it. */
  get position(): { fromSeq: number; last?: string } {
    const { last } = this.#log;
    return { fromSeq: this.#log.lastSeq + 1, ...(last ? { last: last.time } : {}) };
  }

  #note(event: WireEvent): void {
    if ('file' in event && event.file !== undefined && isWanted(event, this.#ref.bring))
      this.#named.set(event.file, event.seq);
  }

  /**
   * Takes events in; those that are here already are passed over.
   * @returns the new ones as they lie here
   * @throws ParaError `protocol` where one is missing in between
   */
  accept(events: readonly WireEvent[]): LoggedEvent[] {
    const taken: LoggedEvent[] = [];
    for (const event of events) {
      if (event.seq <= this.#log.lastSeq) continue;
      const here = fromWire(event, this.#directory);
      if (event.seq !== this.#log.lastSeq + 1)
        throw new ParaError('protocol', 'Events of the host do not follow each other', {
          where: `${event.seq} after ${this.#log.lastSeq}`,
        });
      this.#log.copy(here);
      this.#note(event);
      taken.push(here);
    }
    return taken;
  }

  /** The host's log lost its end (a power cut): it is told again from its first event. */
  restart(): void {
    this.#log.clear();
    this.#named.clear();
    this.#save({ ...this.#ref, fetched: {} });
  }

  /** Files to fetch, the newest named first: a state that was replaced meanwhile is fetched once. */
  wanted(): WantedFile[] {
    return [...this.#named]
      .filter(([file, seq]) => this.#ref.fetched[file] !== seq || !existsSync(join(this.#directory, file)))
      .map(([file, seq]) => ({ file, seq }))
      .sort((a, b) => b.seq - a.seq);
  }

  pathOf = ({ file }: WantedFile): string => join(this.#directory, file);

  /** Notes that a file is here as it was at event `seq`. */
  fetched({ file, seq }: WantedFile): void {
    this.#save({ ...this.#ref, fetched: { ...this.#ref.fetched, [file]: seq } });
  }

  /** The host does not have this file any more. */
  gone({ file, seq }: WantedFile): void {
    if (this.#named.get(file) === seq) this.#named.delete(file);
  }

  tell({ state, step, steps, loss, error }: JobInfo): void {
    writeStatus(this.#directory, {
      state: state as 'running',
      step,
      steps,
      ...(typeof loss === 'number' ? { loss } : {}),
      ...(error ? { error } : {}),
    });
  }

  #save(ref: RemoteRef): void {
    this.#ref = ref;
    writeRemote(this.#directory, ref);
  }

  close(): void {
    this.#log.close();
    this.#unlock();
  }
}
