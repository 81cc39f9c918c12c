import { Random } from '../common/random.ts';
import type { TrainSpec } from '../subject/train-spec.ts';
import type { StepBatch } from './engine.ts';
import type { Example, ExampleGroup, Examples } from './examples.ts';
import type { NoiseAhead } from './noise-ahead.ts';
import { drawNoise, join, type Noised, type NoiseSchedule, type NoiseSettings, noised } from './noised.ts';
import { noisedExample } from './objective.ts';

/** A batch and the group of examples that it comes from, which says for which size its engine is built. */
export interface SizedBatch {
  readonly group: ExampleGroup;
  readonly batch: StepBatch;
}

type Text = Examples['empty'];

const batchOf = (
  { noisy, target, weights, timesteps }: Omit<Noised, 'dropped'>,
  examples: readonly Example[],
  texts: readonly Text[],
): StepBatch => ({
  ...{ noisy, target, weights, timesteps },
  hidden: join(texts.map((text) => text.hidden)),
  pooled: join(texts.map((text) => text.pooled)),
  timeIds: join(examples.map((example) => example.timeIds)),
});

/** What the noise of a run's batches follows from. */
export const noiseSettings = (
  { seed, captionDropout, noiseOffset, minSnrGamma }: TrainSpec['training'],
  schedule: NoiseSchedule,
  channels: number,
): NoiseSettings => ({ seed, schedule, channels, captionDropout, noiseOffset, minSnrGamma });

/** The batches of a run's forward passes. */
export class Batches {
  readonly #spec: TrainSpec['training'];
  readonly #set: Examples;
  readonly #settings: NoiseSettings;
  readonly #ahead: NoiseAhead | undefined;

  /** @param ahead makes the noise of the next pass meanwhile; default: it is made when it is needed */
  constructor(spec: TrainSpec['training'], set: Examples, settings: NoiseSettings, ahead?: NoiseAhead) {
    this.#spec = spec;
    this.#set = set;
    this.#settings = settings;
    this.#ahead = ahead;
  }

  /** The batch of a forward pass: it follows from (seed, step, pass) alone. */
  at(step: number, pass: number): SizedBatch {
    const { group, examples } = this.#shown(step, pass);
    const shown = { step, pass, latents: examples.map(({ latent }) => latent) };
    const made = this.#ahead?.take(shown) ?? noised(this.#settings, shown);
    const texts = examples.map((example, i) => (made.dropped[i] ? this.#set.empty : example));
    return { group, batch: batchOf(made, examples, texts) };
  }

  /** Lets the noise of the pass after this one be made, where that can be done meanwhile. */
  prepareAfter(step: number, pass: number): void {
    if (!this.#ahead) return;
    const { steps, accumulation } = this.#spec;
    const next = pass + 1 < accumulation ? { step, pass: pass + 1 } : { step: step + 1, pass: 0 };
    if (next.step > steps) return;
    const { examples } = this.#shown(next.step, next.pass);
    this.#ahead.ask({ ...next, latents: examples.map(({ latent }) => latent) });
  }

  #shown(step: number, pass: number) {
    const { group, examples } = shownIn(this.#spec, this.#set, step, pass);
    return { group, examples: examples.map((i) => group.examples[i]!) };
  }

  async release(): Promise<void> {
    await this.#ahead?.release();
  }
}

/**
 * Which examples the batch at `position` (0, 1, 2, ...) shows: indices within one group. As many batches as there are
 * examples make a period, in which every example is shown `batch` times: a group of n examples gives n of its batches.
 * These follow each other, so that a session for each size is made once a period; the groups come in a new order each
 * period. Within a group the examples come in a new order each time all were shown.
 */
export function shownExamples(
  seed: number,
  counts: readonly number[],
  batch: number,
  position: number,
): { group: number; examples: number[] } {
  const total = counts.reduce((a, b) => a + b, 0);
  const period = Math.floor(position / total);
  let earlier = position % total;
  let group = 0;
  if (counts.length > 1) {
    const order = new Random(seed, `sizes:${period}`).shuffled(counts.map((_, i) => i));
    let at = 0;
    while (earlier >= counts[order[at]!]!) earlier -= counts[order[at++]!]!;
    group = order[at]!;
  }
  const count = counts[group]!;
  const name = counts.length === 1 ? 'epoch' : `epoch:${group}`;
  const examples = Array.from({ length: batch }, (_, b) => {
    const shown = (period * count + earlier) * batch + b;
    const epoch = new Random(seed, `${name}:${Math.floor(shown / count)}`);
    return epoch.shuffled(Array.from({ length: count }, (_, i) => i))[shown % count]!;
  });
  return { group, examples };
}

/** What the forward pass of a step shows: a group, and which of its examples. */
function shownIn(spec: TrainSpec['training'], { groups }: Examples, step: number, pass: number) {
  const counts = groups.map((group) => group.examples.length);
  const position = (step - 1) * spec.accumulation + pass;
  const { group, examples } = shownExamples(spec.seed, counts, spec.batch, position);
  return { group: groups[group]!, examples };
}

/** The group that the first forward pass of a step (from 1) shows. */
export const groupOfStep = (spec: TrainSpec['training'], set: Examples, step: number): ExampleGroup =>
  shownIn(spec, set, step, 0).group;

/** Seed of validation noise: the same for every run, so that runs compare. */
const validationSeed = 20_250_424;

/** Fixed batches (of one) for validation: each picture at `timesteps` evenly spread timesteps, fixed noise. */
export function validationBatches(
  set: Examples,
  schedule: NoiseSchedule,
  latentChannels: number,
  timesteps: number,
): SizedBatch[] {
  const total = schedule.alphasCumprod.length;
  return set.groups.flatMap((group) =>
    group.examples.flatMap((example) =>
      Array.from({ length: timesteps }, (_, k) => {
        const random = new Random(validationSeed, `validation:${example.index}:${k}`);
        const timestep = Math.floor(((k + 0.5) * total) / timesteps);
        const noise = drawNoise(random, example.latent.length, latentChannels, 0);
        const { alphasCumprod, prediction } = schedule;
        const made = noisedExample(example.latent, noise, alphasCumprod[timestep]!, prediction, null);
        const weights = Float32Array.of(made.weight);
        return { group, batch: batchOf({ ...made, weights, timesteps: [timestep] }, [example], [example]) };
      }),
    ),
  );
}
