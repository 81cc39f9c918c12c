import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { worthThreads } from '../adapters/plan.ts';
import { chunkLength, sumOfSquares, type Update, updateRange, type Vectors } from './optimizer-arithmetic.ts';

/** More only wait for memory. */
const mostThreads = 8;

/** How long a chunk may take, in ms, before its thread is held to be gone: it takes less than one. */
const patience = 60_000;

/** What all threads see. */
export interface Shared extends Vectors {
  /** See `at`; behind these, for each chunk the last job in which it was done. */
  readonly control: Int32Array;
  /** The numbers of an update, as `packed`. */
  readonly update: Float64Array;
  /** The sum of squares of each chunk. */
  readonly sums: Float64Array;
}

/** Places in `control`. */
const at = {
  /** Counts the jobs. */
  job: 0,
  /** 0: sums of squares of the gradient, 1: update. */
  task: 1,
  /** The chunk that is to be taken next. */
  next: 2,
  /** Chunks, from the first, whose vectors are in place. */
  ready: 3,
  done: 4,
} as const;

type Numbers = Omit<Update, 'kind'>;

/** Where each number of an update lies among what all threads see; behind them, 1 for SGD. */
const numbers = [
  ...(['beta1', 'beta2', 'epsilon', 'learningRate', 'decay'] as const),
  ...(['stepSize', 'vCorrection', 'factor'] as const),
] satisfies readonly (keyof Numbers)[];

const packed = (update: Update): number[] => [
  ...numbers.map((name) => update[name]),
  update.kind === 'sgd' ? 1 : 0,
];

const unpacked = (values: Float64Array): Update => ({
  ...(Object.fromEntries(numbers.map((name, i) => [name, values[i]!])) as unknown as Numbers),
  kind: values[numbers.length] ? 'sgd' : 'adamw',
});

const rangeOf = (chunk: number, { gradient }: Vectors) =>
  [chunk * chunkLength, Math.min((chunk + 1) * chunkLength, gradient.length)] as const;

/** Takes the next chunk of the job and does it; false where all are taken. */
function doNext(shared: Shared): boolean {
  const { control, sums } = shared;
  const chunk = Atomics.add(control, at.next, 1);
  if (chunk >= sums.length) return false;
  // Of the job that this chunk belongs to: it cannot end before.
  const job = Atomics.load(control, at.job);
  for (;;) {
    const ready = Atomics.load(control, at.ready);
    if (ready > chunk) break;
    Atomics.wait(control, at.ready, ready);
  }
  const [from, to] = rangeOf(chunk, shared);
  if (Atomics.load(control, at.task) === 0) sums[chunk] = sumOfSquares(shared.gradient, from, to);
  else updateRange(shared, unpacked(shared.update), from, to);
  Atomics.store(control, at.done + chunk, job);
  Atomics.notify(control, at.done + chunk);
  return true;
}

/** Does its part of every job; never returns. */
export function helpOut(shared: Shared): never {
  const { control } = shared;
  let seen = 0;
  for (;;) {
    Atomics.wait(control, at.job, seen);
    seen = Atomics.load(control, at.job);
    while (doNext(shared));
  }
}

/**
 * Threads that share an optimiser's work on long vectors, each a chunk at a time, with the thread that asks. The runtime
 * takes no shared memory, so gradient and parameters are copied in and out by that thread while the others compute.
 */
export class OptimizerThreads {
  readonly #shared: Shared;
  readonly #workers: readonly Worker[];
  #gradient: Float32Array | undefined;
  #parameters: Float32Array | undefined;

  /**
   * @param length values of each vector
   * @param program path of the bundle of `optimizer-worker.ts`
   * @param count threads beside the one that asks
   */
  constructor(length: number, program: string, count = Math.min(availableParallelism(), mostThreads) - 1) {
    const chunks = Math.ceil(length / chunkLength);
    const vector = () => new Float32Array(new SharedArrayBuffer(4 * length));
    const doubles = (n: number) => new Float64Array(new SharedArrayBuffer(8 * n));
    this.#shared = {
      control: new Int32Array(new SharedArrayBuffer(4 * (at.done + chunks))),
      ...{ update: doubles(numbers.length + 1), sums: doubles(chunks) },
      ...{ parameters: vector(), gradient: vector(), m: vector(), v: vector() },
    };
    this.#workers = Array.from({ length: count }, () => {
      const worker = new Worker(program, { workerData: this.#shared });
      worker.unref();
      return worker;
    });
  }

  get m(): Float32Array {
    return this.#shared.m;
  }

  get v(): Float32Array {
    return this.#shared.v;
  }

  /** Euclidean norm of a gradient, which is kept for an update by it. */
  norm(gradient: Float32Array): number {
    const { control, sums } = this.#shared;
    this.#begin(0, 0);
    for (let chunk = 0; chunk < sums.length; chunk++) {
      const [from, to] = rangeOf(chunk, this.#shared);
      this.#shared.gradient.set(gradient.subarray(from, to), from);
      Atomics.store(control, at.ready, chunk + 1);
      Atomics.notify(control, at.ready);
    }
    this.#gradient = gradient;
    let sum = 0;
    for (let chunk = 0; chunk < sums.length; chunk++) {
      this.#wait(chunk);
      sum += sums[chunk]!;
    }
    return Math.sqrt(sum);
  }

  /** Changes `parameters`, which only this does from the first update on. */
  update(parameters: Float32Array, gradient: Float32Array, update: Update): void {
    const { sums } = this.#shared;
    if (this.#gradient !== gradient) this.#shared.gradient.set(gradient);
    if (this.#parameters !== parameters) this.#shared.parameters.set(parameters);
    this.#shared.update.set(packed(update));
    this.#begin(1, sums.length);
    for (let chunk = 0; chunk < sums.length; chunk++) {
      this.#wait(chunk);
      const [from, to] = rangeOf(chunk, this.#shared);
      parameters.set(this.#shared.parameters.subarray(from, to), from);
    }
    this.#parameters = parameters;
    this.#gradient = undefined;
  }

  /** Nobody works on the job before: all of its chunks were waited for. */
  #begin(task: 0 | 1, ready: number): void {
    const { control } = this.#shared;
    Atomics.store(control, at.task, task);
    Atomics.store(control, at.ready, ready);
    Atomics.add(control, at.job, 1);
    Atomics.store(control, at.next, 0);
    Atomics.notify(control, at.job);
  }

  /** Until a chunk is done; does others meanwhile. */
  #wait(chunk: number): void {
    const { control } = this.#shared;
    const place = at.done + chunk;
    const job = Atomics.load(control, at.job);
    for (;;) {
      const done = Atomics.load(control, place);
      if (done === job) return;
      if (doNext(this.#shared)) continue;
      if (Atomics.wait(control, place, done, patience) === 'timed-out')
        throw new Error('A thread of the optimiser does not answer any more');
    }
  }

  /** Ends the threads. */
  async release(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }
}

/** Threads for vectors of this length, where there is a program and it is worth it. */
export const optimizerThreads = (
  length: number,
  program: string | undefined,
): OptimizerThreads | undefined =>
  program && worthThreads(length) ? new OptimizerThreads(length, program) : undefined;
