import { asTable, nvidiaSmi, ownGpu } from '../../src/runtime/nvidia-smi.ts';

/** What the driver's tool said of the card at a moment (milliseconds of this process's clock). */
export interface Sample {
  readonly at: number;
  /** Bytes in use by all processes; absent where not told. */
  readonly used?: number;
  readonly watts?: number;
}

const every = 150;

/** Numbers in a line of the tool, in the order asked; `[N/A]` and its kin are not told. */
export function parseSample(line: string, at: number): Sample {
  const [used, watts] = line.split(',').map((field) => Number.parseFloat(field));
  return {
    at,
    ...(Number.isFinite(used) ? { used: used! * 2 ** 20 } : {}),
    ...(Number.isFinite(watts) ? { watts: watts! } : {}),
  };
}

/** Watches memory in use and power of the first card while others work; knows nothing where `nvidia-smi` is missing. */
export class Meter {
  readonly samples: Sample[] = [];
  #running: Promise<void> | undefined;
  #ended = false;

  /** Begins to watch. */
  start(): void {
    this.#running ??= this.#watch();
  }

  async #watch(): Promise<void> {
    while (!this.#ended) {
      const sample = await this.#look();
      // Without the tool there is nothing to wait for.
      if (!sample) return;
      this.samples.push(sample);
      await new Promise((done) => setTimeout(done, every));
    }
  }

  async #look(): Promise<Sample | undefined> {
    const said = await nvidiaSmi([...asTable('--query-gpu=memory.used,power.draw'), ...ownGpu()]);
    return said === undefined ? undefined : parseSample(said.split('\n')[0]!, performance.now());
  }

  /** A sample that is taken now: what the card has in use, in bytes. */
  async used(): Promise<number | undefined> {
    const sample = await this.#look();
    if (sample) this.samples.push(sample);
    return sample?.used;
  }

  /** The most in use since a moment, bytes. */
  peak(since: number): number | undefined {
    const known = this.samples.filter(({ at, used }) => at >= since && used !== undefined);
    return known.length > 0 ? Math.max(...known.map(({ used }) => used!)) : undefined;
  }

  /** Mean and largest power since a moment. */
  watts(since: number): { readonly mean: number; readonly peak: number } | undefined {
    const known = this.samples.flatMap(({ at, watts }) =>
      at >= since && watts !== undefined ? [watts] : [],
    );
    if (known.length === 0) return undefined;
    return { mean: known.reduce((sum, x) => sum + x, 0) / known.length, peak: Math.max(...known) };
  }

  async stop(): Promise<void> {
    this.#ended = true;
    await this.#running;
  }
}
