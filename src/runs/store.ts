import { type FSWatcher, watch } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as breathe } from 'node:timers/promises';
import { makeFolder, writeFileAtomic } from '../../remote-agent/src/common/files.ts';
import { jobFiles } from '../../remote-agent/src/jobs/job.ts';
import { gathered, type Owned, Signal } from '../platform/signal.ts';
import { isActive, type Run, readRun } from './run.ts';

/** A run with the state of its folder when it was read. */
interface Entry {
  readonly run: Run;
  /** When status.json and remote.json were written, in ms. */
  readonly written: string;
}

/** To be raised when runs are kept otherwise. */
const indexVersion = 1;
interface Index {
  readonly version: number;
  readonly entries: Entry[];
}

/** How often active runs are looked at, and all others, in ms: another program may change them. */
const [activeEvery, allEvery] = [1000, 20_000];

/**
 * The history of runs, read from their folders. Nothing is true because this window remembers it: windows agree since
 * they read the same files, and what is kept between starts (`indexFile`) only spares reading what did not change.
 */
export class RunStore implements Owned {
  #entries = new Map<string, Entry>();
  readonly #changed = new Signal<readonly Run[]>();
  /** Told after runs came, went or changed, with all of them. */
  readonly onChange = this.#changed.on;
  readonly #ended = new Signal<Run>();
  /** Told when a run that was seen active is over. */
  readonly onEnd = this.#ended.on;
  readonly #look = gathered(100, () => void this.refresh());
  readonly #timers: NodeJS.Timeout[] = [];
  #watcher: FSWatcher | undefined;
  #sorted: readonly Run[] | undefined;
  #scanning: Promise<void> = Promise.resolve();
  /** The look that begins when the one that goes on is over. */
  #next: Promise<void> | undefined;

  /**
   * @param folder that holds the run folders
   * @param indexFile where to keep what was read
   */
  constructor(
    readonly folder: string,
    readonly indexFile: string,
  ) {}

  /** Shows what is remembered, then reads what there is, and keeps looking. */
  async start(): Promise<void> {
    await this.#readIndex();
    makeFolder(this.folder);
    try {
      this.#watcher = watch(this.folder, () => this.#look());
      // A watcher that breaks off is made up for by the timers.
      this.#watcher.on('error', () => {});
    } catch {
      // The timers look.
    }
    this.#timers.push(
      setInterval(() => this.lookAtActive(), activeEvery).unref(),
      setInterval(() => this.#look(), allEvery).unref(),
    );
    await this.refresh();
  }

  /** All runs, newest first. */
  all(): readonly Run[] {
    this.#sorted ??= [...this.#entries.values()]
      .map(({ run }) => run)
      .sort((a, b) => (a.createdAt < b.createdAt ? 1 : a.createdAt > b.createdAt ? -1 : 0));
    return this.#sorted;
  }

  get(id: string): Run | undefined {
    return this.#entries.get(id)?.run;
  }

  /** Looks at every folder again; all calls while it works wait for one more look. */
  refresh(): Promise<void> {
    this.#next ??= this.#scanning
      // Its own callers hear of a failure; the next look may go better.
      .catch(() => {})
      .then(() => {
        this.#next = undefined;
        this.#scanning = this.#scan();
        return this.#scanning;
      });
    return this.#next;
  }

  async #scan(): Promise<void> {
    const names = await readdir(this.folder).catch(() => []);
    const known = new Map(this.#entries);
    const entries = new Map<string, Entry>();
    let changed = false;
    for (const [i, name] of names.entries()) {
      if (name.startsWith('.')) continue;
      if (i % 64 === 63) await breathe();
      const entry = await this.#entryOf(name, known.get(name));
      if (entry) entries.set(name, entry);
      changed ||= entry !== known.get(name);
    }
    changed ||= entries.size !== known.size;
    // What lookAtActive found out meanwhile is newer.
    for (const [name, entry] of this.#entries)
      if (entry !== known.get(name) && entries.has(name)) {
        entries.set(name, entry);
        known.set(name, entry);
      }
    this.#entries = entries;
    this.#sorted = undefined;
    if (!changed) return;
    for (const [name, { run }] of entries) this.#tellEnd(known.get(name)?.run, run);
    this.#changed.fire(this.all());
    this.#writeIndex();
  }

  async #entryOf(name: string, known: Entry | undefined): Promise<Entry | undefined> {
    const directory = join(this.folder, name);
    const written = await writtenAt(directory);
    if (written === undefined) return undefined;
    // An active run may have died without writing anything.
    if (known?.written === written && !isActive(known.run)) return known;
    return this.#read(directory, written, known);
  }

  #read(directory: string, written: string, known: Entry | undefined): Entry | undefined {
    const run = readRun(directory);
    if (!run) return undefined;
    if (known && JSON.stringify(known.run) === JSON.stringify(run))
      return known.written === written ? known : { run: known.run, written };
    return { run, written };
  }

  #tellEnd(before: Run | undefined, after: Run): void {
    if (before && isActive(before) && !isActive(after)) this.#ended.fire(after);
  }

  /**
   * Looks at the runs that were seen active, and at one more: whoever acts on a state must not act on that of a second
   * ago.
   * @param also id of a run
   */
  lookAtActive(also?: string): void {
    let changed = false;
    for (const [name, entry] of this.#entries) {
      if (!isActive(entry.run) && name !== also) continue;
      const now = this.#read(entry.run.directory, entry.written, entry);
      if (!now || now === entry) continue;
      this.#entries.set(name, now);
      this.#sorted = undefined;
      this.#tellEnd(entry.run, now.run);
      changed = true;
    }
    if (changed) this.#changed.fire(this.all());
  }

  async #readIndex(): Promise<void> {
    try {
      const index = JSON.parse(await readFile(this.indexFile, 'utf8')) as Index;
      // What another version of the extension kept may lack what this one shows.
      if (index.version !== indexVersion) return;
      for (const entry of index.entries)
        if (entry.run.directory === join(this.folder, entry.run.id)) this.#entries.set(entry.run.id, entry);
    } catch {
      // None yet, or damaged: the folders are read.
      this.#entries.clear();
    }
    this.#sorted = undefined;
    if (this.#entries.size > 0) this.#changed.fire(this.all());
  }

  #writeIndex(): void {
    try {
      writeFileAtomic(
        this.indexFile,
        JSON.stringify({ version: indexVersion, entries: [...this.#entries.values()] } satisfies Index),
      );
    } catch {
      // The folders are read again next time.
    }
  }

  dispose(): void {
    this.#watcher?.close();
    this.#look.dispose();
    for (const timer of this.#timers) clearInterval(timer);
  }
}

/** When the files that a list reads were written; `undefined` where the folder is no run. */
async function writtenAt(directory: string): Promise<string | undefined> {
  const { status, remote } = jobFiles(directory);
  const [first, second] = await Promise.all([modifiedAt(status), modifiedAt(remote)]);
  return first === undefined ? undefined : `${first} ${second ?? 0}`;
}

const modifiedAt = (path: string): Promise<number | undefined> =>
  stat(path).then(
    ({ mtimeMs }) => mtimeMs,
    () => undefined,
  );
