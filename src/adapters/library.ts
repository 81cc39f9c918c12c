import { type FSWatcher, watch } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { type AdapterInfo, infoFrom } from '../../remote-agent/src/adapters/info.ts';
import { readHeader } from '../../remote-agent/src/adapters/safetensors-header.ts';
import { makeFolder } from '../../remote-agent/src/common/files.ts';
import { adaptersFolder } from '../../remote-agent/src/diffusion/base-places.ts';
import { jobFiles } from '../../remote-agent/src/jobs/job.ts';
import { gathered, type Owned, Signal } from '../platform/signal.ts';
import { keptAdapters } from '../runs/panel/run-files.ts';
import type { Run } from '../runs/run.ts';
import type { RunStore } from '../runs/store.ts';

/** An adapter of this machine: the result of a run, or a file that was imported. */
export interface LibraryAdapter {
  /** What prompts call it: the run's id, or the file's name. */
  readonly name: string;
  readonly file: string;
  readonly method: string;
  readonly base?: string;
  readonly subject?: string;
  readonly steps?: number;
  readonly bytes: number;
  /** What the file says of itself. */
  readonly info: AdapterInfo;
  /** The run it came of. */
  readonly run?: Run;
}

const ending = '.safetensors';

/** Whether it is what its run ended with: what a host calls the adapter of its job. */
export const isResult = (run: { readonly directory: string } | undefined, file: string): boolean =>
  run !== undefined && file === jobFiles(run.directory).adapter;

/** The `__metadata__` of a safetensors file, from its first bytes alone; `undefined` where it is none. */
export const readMetadata = (file: string): Promise<Readonly<Record<string, string>> | undefined> =>
  readHeader(file).then(
    ({ metadata }) => metadata,
    () => undefined,
  );

/** What was trained or imported, newest runs first, then files. */
export class AdapterLibrary implements Owned {
  readonly #changed = new Signal();
  readonly onChange = this.#changed.on;
  readonly #owned: Owned;
  /** What is known of a file, by path, size and time. */
  readonly #known = new Map<string, LibraryAdapter>();
  readonly #ofRuns = new WeakMap<Run, LibraryAdapter>();

  /** Another window and the command line import and delete too. */
  readonly #look = gathered(200, () => this.#changed.fire());
  #watcher: FSWatcher | undefined;

  constructor(readonly store: RunStore) {
    this.#owned = store.onChange(() => this.#changed.fire());
  }

  /** A file of the folder of imported adapters came or went. */
  changed(): void {
    this.#changed.fire();
  }

  #watch(): void {
    if (this.#watcher) return;
    try {
      makeFolder(adaptersFolder());
      this.#watcher = watch(adaptersFolder(), this.#look);
      this.#watcher.on('error', () => {});
    } catch {
      // What changes there is seen when somebody asks.
    }
  }

  async all(): Promise<LibraryAdapter[]> {
    this.#watch();
    const runs = this.store.all().filter(({ state, step }) => state === 'finished' || step > 0);
    const ofRuns = await Promise.all(runs.map((run) => this.#ofRun(run)));
    const names = (await readdir(adaptersFolder()).catch(() => [])).filter(
      // What was deleted lies here for as long as it can be had back.
      (name) => name.endsWith(ending) && !name.startsWith('.'),
    );
    const files = await Promise.all(
      names.sort().map((name) => this.#read(join(adaptersFolder(), name), basename(name, ending))),
    );
    return [...ofRuns, ...files].filter((one) => one !== undefined);
  }

  async find(name: string): Promise<LibraryAdapter | undefined> {
    const all = await this.all();
    return all.find((one) => one.name === name) ?? all.find((one) => one.subject === name);
  }

  /** The store gives the same object for a run as long as nothing changes: only what is new is looked at. */
  async #ofRun(run: Run): Promise<LibraryAdapter | undefined> {
    const known = this.#ofRuns.get(run);
    if (known) return known;
    const found = await this.#read(jobFiles(run.directory).adapter, run.id, run);
    if (found) {
      this.#ofRuns.set(run, found);
      return found;
    }
    // Until it ends, what it kept on the way.
    for (const file of await keptAdapters(run.directory)) {
      const kept = await this.#read(file, run.id, run);
      if (kept) return kept;
    }
    return undefined;
  }

  async #read(file: string, name: string, run?: Run): Promise<LibraryAdapter | undefined> {
    const found = await stat(file).catch(() => undefined);
    if (!found) return undefined;
    const key = `${file} ${found.size} ${found.mtimeMs} ${run?.id ?? ''} ${run?.state ?? ''}`;
    const known = this.#known.get(key);
    if (known) return known;
    const metadata = await readMetadata(file);
    if (!metadata) return undefined;
    const info = infoFrom(metadata);
    const adapter: LibraryAdapter = {
      name,
      file,
      method: run?.method ?? (metadata.ss_network_module === 'para_studio.para' ? 'para' : 'lora'),
      bytes: found.size,
      info,
      ...(run ? { run, base: run.base, subject: run.subject, steps: info.steps ?? run.step } : {}),
      ...(!run && info.baseName ? { base: info.baseName } : {}),
      ...(!run && info.subject ? { subject: info.subject } : {}),
      ...(!run && info.steps !== undefined ? { steps: info.steps } : {}),
    };
    this.#known.set(key, adapter);
    return adapter;
  }

  dispose(): void {
    this.#watcher?.close();
    this.#look.dispose();
    this.#owned.dispose();
  }
}
