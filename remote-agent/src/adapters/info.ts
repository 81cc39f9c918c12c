/** A model file as the tools around Stable Diffusion name it. */
export interface HashedFile {
  /** Its name without folders. */
  readonly file: string;
  /** SHA-256 of all of it, in hex. */
  readonly sha256: string;
  /** A1111's older hash: eight digits of SHA-256 over 64 KB from 1 MB on. */
  readonly autoV1: string;
}

/** The checkpoint in one file, and the VAE that replaces its own, that a base was made of. */
export interface BaseOrigin {
  readonly checkpoint: HashedFile;
  readonly vae?: HashedFile;
}

/** What an adapter file says about itself besides its tensors; nothing here may come from a clock. */
export interface AdapterInfo {
  readonly title: string;
  /** Base it was trained on: name and content hash; PaRa is valid on no other. */
  readonly baseName?: string;
  readonly baseHash?: string;
  /** The files that the base was imported from, where other tools know them. */
  readonly origin?: BaseOrigin;
  /** Architecture of the base as model specs name it, e.g. `stable-diffusion-xl-v1-base`. */
  readonly architecture?: string;
  readonly predictionType?: string;
  readonly subject?: string;
  readonly triggerWords?: readonly string[];
  /** ISO 8601, from the run's specification. */
  readonly date?: string;
  readonly seed?: number;
  readonly steps?: number;
  readonly learningRate?: number;
  /** Training size in pixels, `[width, height]`. */
  readonly resolution?: readonly [number, number];
  /** How often each tag occurs in the captions, by folder of pictures. */
  readonly tagFrequency?: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly comment?: string;
  /** A small picture as data URI (`data:image/jpeg;base64,...`). */
  readonly thumbnail?: string;
}

/** What metadata, ours or another tool's, say about an adapter. */
export function infoFrom(metadata: Readonly<Record<string, string>>): AdapterInfo {
  const text = (...keys: string[]) =>
    keys.map((key) => metadata[key]).find((value) => value !== undefined && value !== '');
  const number = (key: string) => {
    const value = Number(metadata[key] ?? Number.NaN);
    return Number.isFinite(value) ? value : undefined;
  };
  const size = /^\(?(\d+)[x, ]+(\d+)\)?$/.exec(text('ss_resolution', 'modelspec.resolution') ?? '');
  const candidates: Partial<Record<keyof AdapterInfo, unknown>> = {
    baseName: text('para_studio.base_name', 'ss_sd_model_name'),
    // Other tools hash other files into ss_sd_model_hash.
    baseHash: text('para_studio.base_hash'),
    architecture: text('modelspec.architecture')?.split('/')[0],
    predictionType: text('modelspec.prediction_type'),
    subject: text('para_studio.subject'),
    triggerWords: text('modelspec.trigger_phrase')?.split(', '),
    date: text('modelspec.date'),
    seed: number('ss_seed'),
    steps: number('ss_steps'),
    learningRate: number('ss_unet_lr'),
    resolution: size ? [Number(size[1]), Number(size[2])] : undefined,
    tagFrequency: parsed(metadata.ss_tag_frequency),
    comment: text('ss_training_comment'),
    thumbnail: text('modelspec.thumbnail'),
  };
  const known = Object.fromEntries(Object.entries(candidates).filter(([, value]) => value !== undefined));
  return { title: text('modelspec.title', 'ss_output_name') ?? '', ...known };
}

function parsed(text: string | undefined): unknown {
  try {
    const value: unknown = text === undefined ? undefined : JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}
