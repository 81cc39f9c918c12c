import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ParaError } from '../common/errors.ts';

type Json = Readonly<Record<string, unknown>>;

/** Reads one JSON file of a base. @throws ParaError `base` when it is missing or is no JSON object */
export function readConfig(directory: string, file: string): Json {
  const path = join(directory, file);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new ParaError('base', `The base lacks the file ${file}`, {
      where: path,
      hint: 'copy the whole folder of the exported model, its JSON files included',
      cause,
    });
  }
  try {
    const value: unknown = JSON.parse(text);
    if (value && typeof value === 'object' && !Array.isArray(value)) return value as Json;
  } catch {
    // Reported below, together with other values that are no object.
  }
  throw new ParaError('base', `The file ${file} of the base is not a JSON object`, {
    where: path,
    hint: 'it is damaged; copy it again',
  });
}

/** Typed access to a config's values; the file is named in every error. */
export class Config {
  readonly #json: Json;
  readonly #path: string;

  constructor(directory: string, file: string) {
    this.#json = readConfig(directory, file);
    this.#path = join(directory, file);
  }

  number(key: string, fallback?: number): number {
    const value = this.#json[key] ?? fallback;
    if (typeof value === 'number' && Number.isFinite(value)) return value;
    throw this.#wrong(key, 'a number');
  }

  text<T extends string>(key: string, allowed: readonly T[], fallback?: T): T {
    const value = this.#json[key] ?? fallback;
    if (allowed.includes(value as T)) return value as T;
    throw this.#wrong(key, `one of ${allowed.join(', ')} (it is ${JSON.stringify(value)})`);
  }

  flag(key: string, fallback: boolean): boolean {
    const value = this.#json[key] ?? fallback;
    if (typeof value === 'boolean') return value;
    throw this.#wrong(key, 'true or false');
  }

  /** A list of numbers, or `undefined` where the key is absent or null. */
  numbers(key: string): number[] | undefined {
    const value = this.#json[key];
    if (value === undefined || value === null) return undefined;
    if (Array.isArray(value) && value.every((v) => typeof v === 'number')) return value as number[];
    throw this.#wrong(key, 'a list of numbers');
  }

  /** The raw value of a key. */
  raw(key: string): unknown {
    return this.#json[key];
  }

  #wrong(key: string, expected: string): ParaError {
    return new ParaError('base', `"${key}" must be ${expected}`, {
      where: this.#path,
      hint: 'the base is of a kind that is not supported, or the file is damaged (see para base check)',
    });
  }
}

/** What a scheduler needs to know of the base's training noise; names as in `scheduler_config.json`. */
export interface SchedulerConfig {
  readonly trainTimesteps: number;
  readonly betaStart: number;
  readonly betaEnd: number;
  readonly betaSchedule: 'linear' | 'scaled_linear' | 'squaredcos_cap_v2';
  readonly trainedBetas: readonly number[] | undefined;
  readonly predictionType: 'epsilon' | 'v_prediction';
  /** Undefined where the base leaves it to the scheduler's usual one. */
  readonly timestepSpacing: 'leading' | 'linspace' | 'trailing' | undefined;
  readonly stepsOffset: number;
  /** DDIM: the step after the last one has alpha 1 instead of the first timestep's. */
  readonly setAlphaToOne: boolean;
  /** DDIM: bound of the predicted picture, or `undefined` where the base does not clip. */
  readonly clipSample: number | undefined;
  readonly rescaleBetasZeroSnr: boolean;
}

/** Reads `scheduler/scheduler_config.json` (also where model_index.json of the folder names another scheduler class). */
export function readSchedulerConfig(directory: string): SchedulerConfig {
  const config = new Config(directory, 'scheduler_config.json');
  return {
    trainTimesteps: config.number('num_train_timesteps', 1000),
    betaStart: config.number('beta_start', 0.0001),
    betaEnd: config.number('beta_end', 0.02),
    betaSchedule: config.text(
      'beta_schedule',
      ['linear', 'scaled_linear', 'squaredcos_cap_v2'] as const,
      'linear',
    ),
    trainedBetas: config.numbers('trained_betas'),
    predictionType: config.text('prediction_type', ['epsilon', 'v_prediction'] as const, 'epsilon'),
    timestepSpacing:
      config.raw('timestep_spacing') == null
        ? undefined
        : config.text('timestep_spacing', ['leading', 'linspace', 'trailing'] as const),
    stepsOffset: config.number('steps_offset', 0),
    setAlphaToOne: config.flag('set_alpha_to_one', true),
    // Only DDIM's own files leave out a clipping that they mean.
    clipSample: config.flag('clip_sample', config.raw('_class_name') === 'DDIMScheduler')
      ? config.number('clip_sample_range', 1)
      : undefined,
    rescaleBetasZeroSnr: config.flag('rescale_betas_zero_snr', false),
  };
}
