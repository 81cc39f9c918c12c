import { existsSync, readFileSync } from 'node:fs';
import { writeFileAtomic } from '../../src/common/files.ts';
import type { RunRow } from './run-child.ts';

/** What the stages ran on. Results of another card are not mixed with these. */
export interface Card {
  /** Name of the GPU and its memory, as its driver tells them; absent in a rehearsal on another device. */
  readonly gpu?: string;
  readonly memory?: string;
  readonly driver?: string;
  readonly device: string;
  readonly runtime: string;
  readonly node: string;
  readonly processor: string;
  readonly cores: number;
  /** Channels of the checkpoint that stands for a user's: of the full size, or few to try the stages out. */
  readonly widths: 'full' | 'small';
  /** File name of a checkpoint that was given; absent: one of random weights. */
  readonly checkpoint?: string;
}

/** A difference and what is allowed. */
export interface Check {
  readonly what: string;
  readonly against: string;
  readonly value: number;
  readonly bound: number;
  /** Default: relative. */
  readonly unit?: 'of 255';
}

/** One side of a contest; milliseconds and bytes. */
export interface SideRow {
  readonly medianMs: number;
  readonly bestMs: number;
  readonly runs: number;
  /** From the start of its process until it is ready, and its first run. */
  readonly startMs: number;
  readonly firstMs: number;
  /** Resident memory of the process. */
  readonly peakBytes: number;
  /** What the card had in use at its highest beyond what it had before; absent where the driver does not tell. */
  readonly cardBytes?: number;
  /** What the driver tells of the process. */
  readonly devicePeakBytes?: number;
  /** PyTorch's own count: the most in use, and the most taken from the driver. */
  readonly allocatedBytes?: number;
  readonly reservedBytes?: number;
  /** Mean power of the card during the timed runs. */
  readonly watts?: number;
  /** Share of a run outside the session of the U-Net, and bytes to the device and back in a run. */
  readonly hostShare?: number;
  readonly toBytes?: number;
  readonly fromBytes?: number;
  /** What the memory plan says beforehand. */
  readonly estimatedBytes?: number;
  readonly library?: string;
}

export interface ContestRow {
  readonly work: 'train' | 'draw';
  readonly method?: 'para' | 'lora';
  readonly memory?: 'fast' | 'lean';
  readonly precision: 'f16' | 'f32';
  readonly pixels: number;
  readonly compiled?: true;
  readonly ours: SideRow;
  /** Absent where PyTorch is not. */
  readonly theirs?: SideRow;
}

export type Row =
  | { readonly kind: 'facts'; readonly facts: Readonly<Record<string, string | number>> }
  | {
      readonly kind: 'checks';
      readonly checks: readonly Check[];
      readonly facts?: Readonly<Record<string, string | number>>;
    }
  | ({ readonly kind: 'contest' } & ContestRow)
  | ({ readonly kind: 'run' } & RunRow);

/** What became of a stage. */
export interface StageRecord {
  readonly date: string;
  readonly seconds: number;
  /** What the card had in use before, at its highest and after, in bytes; absent where the driver does not tell. */
  readonly memory?: { readonly before: number; readonly peak: number; readonly after: number };
  readonly watts?: { readonly mean: number; readonly peak: number };
  readonly row?: Row;
  /** Its last words, where it failed. */
  readonly failed?: string;
}

/** What a file of results holds. */
export interface GpuResults {
  readonly card?: Card;
  readonly stages: Readonly<Record<string, StageRecord>>;
}

const nothing: GpuResults = { stages: {} };

export const readResults = (file: string): GpuResults =>
  existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as GpuResults) : nothing;

export const writeResults = (file: string, results: GpuResults): void =>
  writeFileAtomic(file, `${JSON.stringify(results, null, 2)}\n`);

/**
 * Whether two results were made on the same kind of card, by the same runtime on the same model. Other things may differ:
 * a card that is lent for minutes sits in another machine the next time.
 */
export function sameCard(a: Card | undefined, b: Card | undefined): boolean {
  const kind = ({ gpu, driver, device, runtime, widths, checkpoint }: Card) =>
    JSON.stringify([gpu, driver?.split('.')[0], device, runtime, widths, checkpoint]);
  return a === b || (a !== undefined && b !== undefined && kind(a) === kind(b));
}

/**
 * Later results over earlier ones, stage by stage; those of another card, driver or runtime are dropped. A stage that
 * failed does not take the place of one that was measured.
 */
export function merged(earlier: GpuResults, later: GpuResults): GpuResults {
  if (!sameCard(earlier.card, later.card)) return later;
  const stages: Record<string, StageRecord> = { ...earlier.stages };
  for (const [name, record] of Object.entries(later.stages))
    if (!(record.failed !== undefined && stages[name]?.row)) stages[name] = record;
  return { ...(later.card ? { card: later.card } : {}), stages };
}
