import type { Subject } from './load.ts';
import type { MethodName } from './schema.ts';

/** One training picture with its caption; the hash is that of the file's bytes. */
export interface SpecPicture {
  readonly file: string;
  readonly sha256: string;
  readonly caption: string;
}

/** Everything a run needs, with all defaults filled in: what `spec.json` of a job directory holds. */
export interface TrainSpec {
  readonly version: 1;
  readonly subject: string;
  readonly trigger: string;
  readonly class: string;
  /** Base as given (name or path) and its content hash. */
  readonly base: { readonly name: string; readonly hash: string };
  readonly pictures: readonly SpecPicture[];
  readonly validationPictures: readonly SpecPicture[];
  /** Colour behind transparent parts, `#rrggbb`. */
  readonly background: string;
  /** Whether the adapter file carries a small copy of the first picture. */
  readonly thumbnail: boolean;
  readonly method: {
    readonly name: MethodName;
    readonly layers: string | readonly string[];
    readonly rank?: number;
    readonly gamma?: number;
    readonly init: 'normal' | 'kaiming';
    readonly alpha?: number;
    readonly scale?: number | 'paper';
  };
  readonly training: {
    readonly steps: number;
    readonly batch: number;
    readonly accumulation: number;
    readonly learningRate: number;
    readonly schedule: 'constant' | 'cosine' | 'linear';
    readonly warmup: number;
    readonly memory: 'auto' | 'fast' | 'lean';
    readonly precision: 'auto' | 'f32' | 'f16';
    readonly optimizer: 'adamw' | 'sgd';
    readonly weightDecay: number;
    readonly beta1: number;
    readonly beta2: number;
    readonly epsilon: number;
    readonly clip: number;
    readonly seed: number;
    readonly minSnrGamma: number | null;
    readonly noiseOffset: number;
    readonly captionDropout: number;
    readonly resolution: number | null;
    readonly crop: 'center' | 'random' | 'buckets';
    /** Parts shown of each picture with random cropping. */
    readonly crops: number;
    readonly flip: boolean;
  };
  readonly samples: {
    readonly prompts: readonly string[];
    readonly every: number;
    readonly steps: number;
    readonly guidance: number;
    readonly scheduler: string;
    readonly seed: number;
    readonly memory: 'auto' | 'beside' | 'turns';
  };
  readonly validation: { readonly every: number; readonly timesteps: number };
  readonly checkpoints: {
    readonly every: number;
    readonly keep: readonly number[];
    /** Keep the adapter of the lowest validation loss. */
    readonly best: boolean;
  };
  readonly device: 'cpu' | 'cuda' | 'webgpu';
  /** When the run was submitted, ISO 8601; the only date that reaches the adapter file. */
  readonly createdAt: string;
}

/** What a caller may set over the subject file. */
export interface SpecOverrides {
  readonly method?: MethodName | undefined;
  readonly steps?: number | undefined;
  readonly device?: TrainSpec['device'] | undefined;
  readonly keep?: readonly number[] | undefined;
  readonly memory?: 'auto' | 'fast' | 'lean' | undefined;
}

/** Defaults that differ between the methods. */
export const methodDefaults = {
  para: { steps: 200, learningRate: 1e-2 },
  lora: { steps: 1000, learningRate: 3e-4 },
} as const;

/** Fills all defaults in. Pictures and base are resolved by the caller, who can read them. */
export function makeTrainSpec(
  subject: Subject,
  found: {
    readonly base: { readonly name: string; readonly hash: string };
    readonly pictures: readonly SpecPicture[];
    readonly validationPictures: readonly SpecPicture[];
    readonly createdAt: string;
  },
  overrides: SpecOverrides = {},
): TrainSpec {
  const { file } = subject;
  const { training = {}, samples = {}, validation = {}, checkpoints = {} } = file;
  const name = overrides.method ?? file.method?.name ?? 'para';
  // Settings of the other method in the file do not apply when the caller chose this one.
  const switched = name !== (file.method?.name ?? 'para');
  const own: NonNullable<typeof file.method> = switched
    ? { ...(file.method?.layers === undefined ? {} : { layers: file.method.layers }) }
    : (file.method ?? {});
  const { rank, gamma, alpha, scale, init } = own;
  const defaults = methodDefaults[name];
  const trigger = file.trigger ?? 'zwx';
  const every = validation.every ?? 50;
  return {
    version: 1,
    subject: subject.name,
    trigger,
    class: file.class,
    base: found.base,
    pictures: found.pictures,
    validationPictures: found.validationPictures,
    background: file.background ?? '#ffffff',
    thumbnail: file.thumbnail ?? true,
    method: {
      name,
      layers: own.layers ?? 'attention',
      init: init ?? 'normal',
      ...(rank === undefined ? {} : { rank }),
      ...(gamma === undefined ? {} : { gamma }),
      ...(alpha === undefined ? {} : { alpha }),
      ...(scale === undefined ? {} : { scale }),
    },
    training: {
      steps: overrides.steps ?? (switched ? defaults.steps : (training.steps ?? defaults.steps)),
      batch: training.batch ?? 1,
      accumulation: training.accumulation ?? 1,
      learningRate: switched ? defaults.learningRate : (training.learningRate ?? defaults.learningRate),
      schedule: training.schedule ?? 'constant',
      warmup: training.warmup ?? 0,
      memory: overrides.memory ?? training.memory ?? 'auto',
      precision: training.precision ?? 'auto',
      optimizer: training.optimizer ?? 'adamw',
      weightDecay: training.weightDecay ?? 0,
      beta1: training.beta1 ?? 0.9,
      beta2: training.beta2 ?? 0.999,
      epsilon: training.epsilon ?? 1e-8,
      clip: training.clip ?? 1,
      seed: training.seed ?? 0,
      minSnrGamma: training.minSnrGamma ?? null,
      noiseOffset: training.noiseOffset ?? 0,
      captionDropout: training.captionDropout ?? 0,
      resolution: training.resolution ?? null,
      crop: training.crop ?? 'center',
      crops: training.crops ?? 4,
      flip: training.flip ?? false,
    },
    samples: {
      prompts: samples.prompts ?? [`a ${trigger} ${file.class}`],
      every: samples.every ?? 100,
      steps: samples.steps ?? 30,
      guidance: samples.guidance ?? 5,
      scheduler: samples.scheduler ?? 'ddim',
      seed: samples.seed ?? 42,
      memory: samples.memory ?? 'auto',
    },
    validation: { every, timesteps: validation.timesteps ?? 7 },
    checkpoints: {
      every: checkpoints.every ?? 50,
      keep: overrides.keep ?? checkpoints.keep ?? [],
      best: checkpoints.best ?? (every > 0 && found.validationPictures.length > 0),
    },
    device: overrides.device ?? 'cpu',
    createdAt: found.createdAt,
  };
}
