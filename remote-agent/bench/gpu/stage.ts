import type { DeviceName } from '../../src/runtime/device.ts';
import type { Meter } from './meter.ts';
import type { Row } from './results.ts';

/** What a check is started with, by scripts/gpu-check.mjs or by a pack. */
export interface GpuOptions {
  /** Folder with tools/ and examples/. */
  readonly root: string;
  /** Folder with the programs that stages start. */
  readonly programs: string;
  /** The small base. */
  readonly base: string;
  readonly runtime: string;
  /** Folders of CUDA's libraries. */
  readonly libraries: readonly string[];
  /** The card that the driver's tool knows. */
  readonly gpu?: { readonly name: string; readonly driver: string; readonly memory: string };
  /** Python with PyTorch. */
  readonly python?: string;
  /** Where files of gigabytes go; what is there already is used again. */
  readonly work: string;
  /** Where results are kept, and the page that is written from them; without a page none is. */
  readonly results: string;
  readonly page?: string;
  readonly device: DeviceName;
  readonly widths: 'full' | 'small';
  /** Pixels a side of training and drawing, and of the step that the CPU makes too. */
  readonly pixels: number;
  readonly checkedPixels: number;
  /** Steps of a picture. */
  readonly drawingSteps: number;
  /** About how long each side of a contest runs, seconds. */
  readonly seconds: number;
  /** Minutes that all stages together may take. */
  readonly minutes: number;
  /** Names of stages, or what they begin with; empty: all. */
  readonly only: readonly string[];
  /** A checkpoint that stands in for the one of random weights. */
  readonly checkpoint?: string;
}

export interface StageContext {
  readonly options: GpuOptions;
  readonly meter: Meter;
  /** Environment of programs that use the card. */
  readonly env: NodeJS.ProcessEnv;
  /** Ends what a stage started when its time is over. */
  readonly signal: AbortSignal;
  /** What another stage measured in this call. */
  measured(stage: string): Row | undefined;
  /** Runs one of our programs with a case; the last line that it prints. */
  program(name: string, what: object, env?: NodeJS.ProcessEnv): Promise<string>;
  /** Runs a tool of Python; the last line that it prints. @throws Error where there is no Python with PyTorch */
  tool(path: string, ...args: readonly string[]): Promise<string>;
}

/** One part of the check, which runs in processes of its own. */
export interface Stage {
  readonly name: string;
  /** About how long it takes on a card of the A100 class at full size. */
  readonly seconds: number;
  /** It shows what is right and not how fast or large: it may run beside others of its kind. */
  readonly untimed?: true;
  /** Stages whose files it reads. */
  readonly needs?: readonly string[];
  /** Whether the files that others read of it are there. */
  readonly made?: (options: GpuOptions) => boolean;
  run(context: StageContext): Promise<Row>;
}

/** Sides of latents for pixels. */
export const latentOf = (pixels: number): number => pixels / 8;
