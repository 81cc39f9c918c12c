import type { LoggedEvent } from '../../../remote-agent/src/jobs/event-log.ts';
import { StepColumns } from './columns.ts';

type Of<T extends LoggedEvent['type']> = Extract<LoggedEvent, { type: T }>;

/** An event that is told in words; steps, validations and samples are shown otherwise. */
export type ToldEvent = Exclude<LoggedEvent, { type: 'step' | 'validation' | 'sample' | 'saved' }>;

export interface SampleFile {
  readonly step: number;
  /** Number of the prompt, from 0. */
  readonly prompt: number;
  readonly seed: number;
  readonly file: string;
}

/** What events changed. */
export interface RunChange {
  /** Rows that were there are not any more. */
  readonly rewound: boolean;
  /** The first row of the steps and of the validations that is new. */
  readonly stepsFrom: number;
  readonly validationFrom: number;
  readonly samples: readonly SampleFile[];
  readonly told: readonly ToldEvent[];
}

/** What a run's events come to, taken in as they come. Told events are never forgotten: they happened. */
export class RunLog {
  readonly steps = new StepColumns();
  #validation: { step: number; loss: number }[] = [];
  #samples = new Map<string, SampleFile>();
  #told: ToldEvent[] = [];
  #seq = 0;
  #started: Of<'started'> | undefined;
  #phase: string | undefined;

  /** @param prompts of the run's samples, in order */
  constructor(readonly prompts: readonly string[]) {}

  get validation(): readonly { readonly step: number; readonly loss: number }[] {
    return this.#validation;
  }
  /** In the order of steps and prompts. */
  get samples(): SampleFile[] {
    return [...this.#samples.values()].sort((a, b) => a.step - b.step || a.prompt - b.prompt);
  }
  get told(): readonly ToldEvent[] {
    return this.#told;
  }
  get started(): Of<'started'> | undefined {
    return this.#started;
  }
  /** What it does when it makes no steps. */
  get phase(): string | undefined {
    return this.#phase;
  }

  take(events: readonly LoggedEvent[]): RunChange {
    let rewound = false;
    let [stepsFrom, validationFrom] = [this.steps.length, this.#validation.length];
    const samples: SampleFile[] = [];
    let toldFrom = this.#told.length;
    for (const event of events) {
      if (event.seq <= this.#seq) {
        this.#clear();
        rewound = true;
        toldFrom = 0;
      }
      this.#seq = event.seq;
      switch (event.type) {
        case 'step':
          this.steps.add(event);
          this.#phase = undefined;
          break;
        case 'validation':
          this.#validation.push({ step: event.step, loss: event.loss });
          break;
        case 'sample': {
          const sample = this.#sampleOf(event);
          this.#samples.set(`${sample.step} ${sample.prompt}`, sample);
          samples.push(sample);
          break;
        }
        case 'saved':
          break;
        default:
          rewound = this.#tell(event) || rewound;
      }
      stepsFrom = Math.min(stepsFrom, this.steps.length);
      validationFrom = Math.min(validationFrom, this.#validation.length);
    }
    return { rewound, stepsFrom, validationFrom, samples, told: this.#told.slice(toldFrom) };
  }

  /** @returns whether it takes steps back */
  #tell(event: ToldEvent): boolean {
    this.#told.push(event);
    if (event.type === 'phase') this.#phase = event.name;
    if (event.type === 'stopped' || event.type === 'finished' || event.type === 'error')
      this.#phase = undefined;
    if (event.type === 'started') this.#started = event;
    if (event.type === 'started') return this.#cutAfter(0);
    return event.type === 'resumed' && this.#cutAfter(event.fromStep);
  }

  #cutAfter(step: number): boolean {
    const cut = this.steps.cutAfter(step) || this.#validation.some((one) => one.step > step);
    this.#validation = this.#validation.filter((one) => one.step <= step);
    for (const [key, sample] of this.#samples) if (sample.step > step) this.#samples.delete(key);
    return cut;
  }

  #clear(): void {
    this.#told = [];
    this.#cutAfter(-1);
  }

  #sampleOf({ step, prompt, seed, file }: Of<'sample'>): SampleFile {
    const named = /-(\d+)\.png$/.exec(file)?.[1];
    const index = named === undefined ? this.prompts.indexOf(prompt) : Number(named);
    return { step, prompt: Math.max(0, index), seed, file };
  }

  /** The lowest validation loss. */
  get best(): { readonly step: number; readonly loss: number } | undefined {
    let best: { step: number; loss: number } | undefined;
    for (const one of this.#validation) if (!best || one.loss < best.loss) best = one;
    return best;
  }

  /** Middle of the last steps' seconds: a pause for a sample does not count. */
  get secondsAStep(): number | undefined {
    const last = this.steps.column('seconds').slice(-51).sort();
    return last[last.length >> 1];
  }
}
