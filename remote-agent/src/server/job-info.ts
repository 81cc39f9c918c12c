import { readdirSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { ParaError } from '../common/errors.ts';
import { jobFiles, readSpec, readStatus, runsFolder } from '../jobs/job.ts';
import { waitingJobs } from '../jobs/queue.ts';
import type { JobInfo } from '../protocol/contract.ts';
import { isJobId } from '../protocol/names.ts';

type Head = Pick<JobInfo, 'subject' | 'method' | 'base' | 'createdAt'>;

/**
 * Jobs as clients see them. Of each spec, which may hold thousands of captions, the few words that are shown are kept
 * while its file stays as it is.
 */
export class JobInfos {
  readonly #heads = new Map<string, { readonly stamp: string; readonly head: Head }>();

  #head(directory: string): Head {
    const { mtimeMs, size, ino } = statSync(jobFiles(directory).spec);
    const stamp = `${mtimeMs} ${size} ${ino}`;
    const known = this.#heads.get(directory);
    if (known?.stamp === stamp) return known.head;
    const { subject, method, base, createdAt } = readSpec(directory);
    const head = { subject, method: method.name, base: base.name, createdAt };
    this.#heads.set(directory, { stamp, head });
    return head;
  }

  /** @throws ParaError `run` */
  of(directory: string, waiting?: readonly string[]): JobInfo {
    const id = basename(directory);
    const { state, step, steps, loss, error } = readStatus(directory);
    const place = state === 'queued' ? (waiting ?? waitingJobs()).indexOf(id) : -1;
    return {
      id,
      ...this.#head(directory),
      state,
      step,
      steps,
      ...(loss === undefined ? {} : { loss }),
      ...(error === undefined ? {} : { error }),
      ...(place < 0 ? {} : { queuePlace: place + 1 }),
    };
  }

  /** A part of all jobs, newest first, and how many there are. Other requests get their turn while it reads. */
  async list(skip: number, limit: number): Promise<{ jobs: JobInfo[]; total: number }> {
    const heads: { directory: string; createdAt: string }[] = [];
    const folder = runsFolder();
    let names: string[] = [];
    try {
      names = readdirSync(folder).filter(isJobId);
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw cause;
    }
    for (const [index, name] of names.entries()) {
      const directory = join(folder, name);
      try {
        heads.push({ directory, createdAt: this.#head(directory).createdAt });
      } catch {
        // No run, or a damaged one.
      }
      if (index % 100 === 99) await new Promise((resume) => setImmediate(resume));
    }
    const there = new Set(names.map((name) => join(folder, name)));
    for (const directory of this.#heads.keys()) if (!there.has(directory)) this.#heads.delete(directory);
    heads.sort((a, b) => b.createdAt.localeCompare(a.createdAt) || b.directory.localeCompare(a.directory));
    const waiting = waitingJobs();
    const jobs = heads.slice(skip, skip + limit).flatMap(({ directory }) => {
      try {
        return [this.of(directory, waiting)];
      } catch (cause) {
        // Deleted since, or its status is damaged.
        if (cause instanceof ParaError) return [];
        throw cause;
      }
    });
    return { jobs, total: heads.length };
  }
}
