import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface, type Interface } from 'node:readline';
import { median } from './numbers.ts';

/** What one side needed; milliseconds and bytes. */
export interface Side {
  readonly medianMs: number;
  readonly bestMs: number;
  readonly runs: number;
  /** Resident memory of the whole process: with its libraries alone, and at its highest; the latter on a GPU too. */
  readonly emptyBytes: number;
  readonly peakBytes: number;
  readonly devicePeakBytes?: number;
}

export interface Outcome {
  readonly ours: Side;
  readonly theirs: Side;
  /** Their time over ours: the median of the rounds, and the least and the largest of them. */
  readonly ratio: number;
  readonly spread: readonly [number, number];
  /** Their fastest run over ours. */
  readonly bestRatio: number;
  readonly library: string;
}

interface Ready {
  readonly library?: string;
  readonly emptyBytes: number;
}

/** On a machine that is too busy for all rounds in `mostMs`, these few are still made. */
const leastRounds = 3;
const mostMs = 60_000;

export interface ContestOptions {
  readonly rounds: number;
  /** About how long one side runs before the other's turn. */
  readonly blockMs: number;
  /** Environments of the two sides. */
  readonly env: readonly [NodeJS.ProcessEnv, NodeJS.ProcessEnv];
}

/** A program that runs its case as often as it is asked to, and says how long each took. */
class Contestant {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #reader: Interface;
  readonly times: number[] = [];
  ready: Ready = { emptyBytes: 0 };

  constructor(command: readonly string[], env: NodeJS.ProcessEnv) {
    const [program, ...args] = command;
    this.#child = spawn(program!, args, { stdio: ['pipe', 'pipe', 'inherit'], env });
    this.#reader = createInterface({ input: this.#child.stdout! });
    this.#lines = this.#reader[Symbol.asyncIterator]();
  }

  /** The next line that is JSON: libraries may say things of their own. */
  async #said<T>(): Promise<T> {
    for (;;) {
      const { value, done } = await this.#lines.next();
      if (done) throw new Error(`${this.#child.spawnargs.join(' ')} ended early`);
      if (value.startsWith('{')) return JSON.parse(value) as T;
    }
  }

  async start(): Promise<void> {
    this.ready = await this.#said<Ready>();
  }

  async run(count: number): Promise<readonly number[]> {
    this.#child.stdin!.write(`${count}\n`);
    return (await this.#said<{ times: number[] }>()).times;
  }

  async end(): Promise<Side> {
    this.#child.stdin!.end();
    const { peakBytes, devicePeakBytes } = await this.#said<{
      peakBytes: number;
      devicePeakBytes?: number;
    }>();
    return {
      medianMs: median(this.times),
      bestMs: Math.min(...this.times),
      runs: this.times.length,
      emptyBytes: this.ready.emptyBytes,
      peakBytes,
      ...(devicePeakBytes ? { devicePeakBytes } : {}),
    };
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }
}

/**
 * Lets two programs take turns on the same work, so that what else the machine does hits both alike.
 * @param ours, theirs commands that speak the line protocol of tools/bench/pytorch_worker.py
 */
export async function contest(
  ours: readonly string[],
  theirs: readonly string[],
  { rounds, blockMs, env }: ContestOptions,
): Promise<Outcome> {
  const sides = [ours, theirs].map((command, k) => new Contestant(command, env[k]!));
  try {
    const counts: number[] = [];
    for (const side of sides) {
      await side.start();
      await side.run(1);
      const [once] = await side.run(1);
      counts.push(Math.max(1, Math.min(50, Math.round(blockMs / once!))));
    }
    const ratios: number[] = [];
    const begin = performance.now();
    const inTime = () => performance.now() - begin < mostMs;
    for (let round = 0; round < rounds && (round < leastRounds || inTime()); round++) {
      const middles: number[] = [];
      // In turns, who begins too.
      for (const k of round % 2 === 0 ? [0, 1] : [1, 0]) {
        const times = await sides[k]!.run(counts[k]!);
        sides[k]!.times.push(...times);
        middles[k] = median(times);
      }
      ratios.push(middles[1]! / middles[0]!);
    }
    const [a, b] = [await sides[0]!.end(), await sides[1]!.end()];
    return {
      ours: a,
      theirs: b,
      ratio: median(ratios),
      spread: [Math.min(...ratios), Math.max(...ratios)],
      bestRatio: b.bestMs / a.bestMs,
      library: sides[1]!.ready.library ?? '',
    };
  } finally {
    for (const side of sides) side.kill();
  }
}
