import { Contestant } from './contestant.ts';
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

async function ended(side: Contestant): Promise<Side> {
  const { peakBytes, devicePeakBytes } = await side.end();
  return {
    medianMs: median(side.times),
    bestMs: Math.min(...side.times),
    runs: side.times.length,
    emptyBytes: side.ready.emptyBytes,
    peakBytes,
    ...(devicePeakBytes ? { devicePeakBytes } : {}),
  };
}

/**
 * Lets two programs take turns on the same work, so that what else the machine does hits both alike.
 * @param ours, theirs commands that speak the line protocol of tools/bench/turns.py
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
    const [a, b] = [await ended(sides[0]!), await ended(sides[1]!)];
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
