import { ParaError } from '../common/errors.ts';
import type { SessionOptions } from '../runtime/session.ts';
import type { AppliedAdapter } from './adapter-slots.ts';
import type { Base } from './base.ts';
import { type Conditioning, timeIds } from './denoiser.ts';
import { Denoisers, type ExactSessions } from './denoisers.ts';
import { noise, SamplingNoise } from './noise.ts';
import { drawingPrecision, type Precision, type PrecisionSetting } from './precision.ts';
import { cleanLatent, smallLatent } from './preview.ts';
import { guide, together, twice } from './rows.ts';
import { makeScheduler } from './schedulers/index.ts';
import type { Scheduler } from './schedulers/scheduler.ts';
import { TextEncoder, type TextStates } from './text-encoder.ts';
import { Vae } from './vae.ts';

/** What to draw. */
export interface GenerateRequest {
  readonly prompt: string;
  readonly negative?: string;
  /** Seed of the first picture; picture k has `seed + k`. */
  readonly seed: number;
  /** Default 30. */
  readonly steps?: number;
  /** Strength of classifier-free guidance; 1 or less: none. Default 5. */
  readonly guidance?: number;
  /** Default `ddim`. */
  readonly scheduler?: string;
  /** DDIM's eta; default 0. */
  readonly eta?: number;
  /** Pixels; default the base's own size. */
  readonly width?: number;
  readonly height?: number;
  /** How many pictures; default 1. */
  readonly count?: number;
  /** Pictures per call of the U-Net; default 1, which makes a picture independent of its neighbours to the last bit. */
  readonly batch?: number;
  /** What the U-Net is computed in; default `auto`: f16 where the device is faster so and the base is stored so. */
  readonly precision?: PrecisionSetting;
  /** Adapters in the order they apply. */
  readonly adapters?: readonly AppliedAdapter[];
  /** Latents to start from instead of the seed's noise, standard normal [count, C, h, w] (for tests). */
  readonly startNoise?: Float32Array;
  /** Combinations of adapters that other requests draw with: the session gets room for each of them too. */
  readonly beside?: readonly (readonly AppliedAdapter[])[];
  /** Called after each step and waited for; throw to stop. */
  readonly onStep?: (progress: StepProgress) => void | Promise<void>;
}

export interface StepProgress {
  /** Picture that is being made, from 0 (the first of a batch). */
  readonly picture: number;
  /** Steps done, from 1. */
  readonly step: number;
  readonly steps: number;
  /** Scaled latents of the batch so far [batch, C, h, w]; do not change them. */
  readonly latents: Float32Array;
  /** The picture as far as it can be told by now, made smaller where it is large; what is drawn stays the same. */
  readonly preview: () => Promise<Preview>;
}

/** A look at a picture that is being made; RGB as in `GeneratedPicture`. */
export interface Preview {
  readonly width: number;
  readonly height: number;
  readonly pixels: Uint8Array;
}

/** One finished picture. */
export interface GeneratedPicture {
  readonly seed: number;
  readonly width: number;
  readonly height: number;
  /** RGB, 8 bits, rows from the top: [height, width, 3]. */
  readonly pixels: Uint8Array;
  /** Scaled latents [C, h, w]. */
  readonly latents: Float32Array;
}

export interface GeneratorOptions extends SessionOptions {
  /** Keep text encoders, U-Net and VAE loaded (default), or free each before the next of them is loaded. */
  readonly resident?: boolean;
  /**
   * Keep a few U-Net sessions, each with room for exactly the adapters of its requests: a picture then has the bits
   * that a generator of its own would give it, whatever was drawn before. Default: one session whose room grows.
   */
  readonly exactSessions?: ExactSessions;
}

/**
 * A base ready to draw. Sessions are loaded when first needed and stay: the same size again loads nothing, and neither
 * does another adapter that fits into the slots (see `AdapterSlots`).
 */
export class Generator {
  readonly base: Base;
  readonly #options: SessionOptions;
  readonly #resident: boolean;
  readonly #vae: Vae;
  readonly #denoisers: Denoisers;
  #text: TextEncoder | undefined;
  readonly #states = new Map<string, TextStates>();
  readonly #precisions = new Map<PrecisionSetting, Precision>();

  constructor(base: Base, options: GeneratorOptions = {}) {
    const { resident = true, exactSessions, ...session } = options;
    this.base = base;
    this.#options = session;
    this.#resident = resident;
    this.#vae = new Vae(base, session);
    this.#denoisers = new Denoisers(base, session, exactSessions);
  }

  /**
   * Draws pictures. The same request gives the same bits on the same machine.
   * @throws ParaError `settings` for sizes and numbers out of range, and what loading the parts throws
   */
  async generate(request: GenerateRequest): Promise<GeneratedPicture[]> {
    return (await this.generateAll([request]))[0]!;
  }

  /**
   * Draws what several requests ask for, each as it would be alone: all texts first, then all latents, then all pictures,
   * so that parts that do not stay are loaded once, one at a time.
   * @returns the pictures of each request
   * @throws as `generate`
   */
  async generateAll(requests: readonly GenerateRequest[]): Promise<GeneratedPicture[][]> {
    this.base.check();
    const drawings = requests.map((request) => ({ request, plan: planned(this.base, request) }));
    const texts: TextStates[] = [];
    for (const { request, plan } of drawings) texts.push(await this.#encode(promptsOf(request, plan)));
    if (!this.#resident) await this.#releaseText();
    const sampled: Sampled[] = [];
    for (const [i, { request, plan }] of drawings.entries())
      for (let first = 0; first < plan.count; first += plan.batch) {
        const batch = Math.min(plan.batch, plan.count - first);
        const latents = await this.#sample(request, plan, texts[i]!, first, batch);
        sampled.push({ drawing: i, latents, seed: request.seed + first, batch });
      }
    if (!this.#resident) await this.#denoisers.release();
    const pictures: GeneratedPicture[][] = drawings.map(() => []);
    for (const { drawing, latents, seed, batch } of sampled)
      pictures[drawing]!.push(...(await this.#decode(drawings[drawing]!.plan, latents, seed, batch)));
    if (!this.#resident) await this.#vae.release();
    return pictures;
  }

  /** Text states of prompts, the negative one first; remembered, since comparisons repeat them. */
  async #encode(prompts: readonly string[]): Promise<TextStates> {
    const key = JSON.stringify(prompts);
    const known = this.#states.get(key);
    if (known) return known;
    this.#text ??= await TextEncoder.open(this.base, this.#options);
    const states = await this.#text.encode(prompts);
    if (this.base.zeroEmptyNegative && prompts.length === 2 && prompts[0] === '') {
      states.hidden.fill(0, 0, states.hidden.length / 2);
      states.pooled.fill(0, 0, states.pooled.length / 2);
    }
    if (this.#states.size >= 32) this.#states.delete(this.#states.keys().next().value!);
    this.#states.set(key, states);
    return states;
  }

  async #releaseText(): Promise<void> {
    await this.#text?.release();
    this.#text = undefined;
  }

  /** What is computed in where this is asked for. */
  precisionOf(asked: PrecisionSetting = 'auto'): Precision {
    const { device = 'cpu' } = this.#options;
    const found = this.#precisions.get(asked) ?? drawingPrecision(this.base, device, asked);
    this.#precisions.set(asked, found);
    return found;
  }

  async #sample(
    request: GenerateRequest,
    plan: Plan,
    text: TextStates,
    first: number,
    batch: number,
  ): Promise<Float32Array> {
    const { base } = this;
    const { latentHeight, latentWidth, guided, guidance, steps } = plan;
    const scheduler = makeScheduler(plan.scheduler, base.scheduler, { steps, eta: request.eta ?? 0 });
    const { adapters = [], beside = [] } = request;
    const { denoiser, feeds } = await this.#denoisers.get(
      { batch: guided ? 2 * batch : batch, latentHeight, latentWidth, tokens: text.tokens },
      this.precisionOf(request.precision),
      [adapters, ...beside],
    );
    const size = base.latentChannels * latentHeight * latentWidth;
    const conditioning = conditioningFor(text, plan, batch);
    let latents = startLatents(request, scheduler, first, batch, size);
    const fresh = Array.from({ length: batch }, (_, k) => new SamplingNoise(request.seed + first + k));
    for (const [i, timestep] of scheduler.timesteps.entries()) {
      const input = scheduler.scaleInput(latents, i);
      const rows = guided ? twice(input) : input;
      const output = await denoiser.run(rows, timestep, conditioning, feeds);
      const direction = guided ? guide(output, guidance) : output;
      const added = scheduler.needsNoise ? together(fresh.map((source) => source.next(size))) : undefined;
      latents = scheduler.step(latents, direction, i, added);
      const preview = () =>
        this.#preview(
          plan,
          cleanLatent(base.scheduler, timestep, input.subarray(0, size), direction.subarray(0, size)),
        );
      await request.onStep?.({ picture: first, step: i + 1, steps, latents, preview });
    }
    return latents;
  }

  /**
   * Makes room for adapters that a later request will apply together, so that all requests share one session: call it
   * for each combination before the first `generate`.
   */
  reserve(adapters: readonly AppliedAdapter[]): void {
    this.#denoisers.reserve(adapters);
  }

  async #preview(plan: Plan, latent: Float32Array): Promise<Preview> {
    const { latentChannels, vaeDecoder } = this.base;
    const { latentHeight, latentWidth } = plan;
    const whole = {
      ...{ count: 1, channels: latentChannels, height: latentHeight, width: latentWidth },
      data: latent,
    };
    const anySize = vaeDecoder.input.dims.slice(2).every((d) => typeof d !== 'number');
    const { width, height, data } = await this.#vae.decode(anySize ? smallLatent(whole) : whole);
    return { width, height, pixels: toPixels(data, width * height) };
  }

  async #decode(plan: Plan, latents: Float32Array, seed: number, batch: number): Promise<GeneratedPicture[]> {
    const { latentChannels } = this.base;
    const { latentHeight, latentWidth } = plan;
    const size = latents.length / batch;
    const decoded = await this.#vae.decode({
      count: batch,
      channels: latentChannels,
      height: latentHeight,
      width: latentWidth,
      data: latents,
    });
    const { width, height } = decoded;
    return Array.from({ length: batch }, (_, k) => ({
      seed: seed + k,
      width,
      height,
      pixels: toPixels(
        decoded.data.subarray(k * 3 * width * height, (k + 1) * 3 * width * height),
        width * height,
      ),
      latents: latents.slice(k * size, (k + 1) * size),
    }));
  }

  /** Frees every session. */
  async release(): Promise<void> {
    await this.#releaseText();
    await this.#denoisers.release();
    await this.#vae.release();
  }
}

/** Draws pictures with sessions of their own, freed afterwards. */
export async function generate(
  base: Base,
  request: GenerateRequest,
  options: GeneratorOptions = {},
): Promise<GeneratedPicture[]> {
  const generator = new Generator(base, { resident: false, ...options });
  try {
    return await generator.generate(request);
  } finally {
    await generator.release();
  }
}

/** Latents of a batch that is not decoded yet, and which request they belong to. */
interface Sampled {
  readonly drawing: number;
  readonly latents: Float32Array;
  readonly seed: number;
  readonly batch: number;
}

interface Plan {
  readonly steps: number;
  readonly guidance: number;
  readonly guided: boolean;
  readonly scheduler: string;
  readonly width: number;
  readonly height: number;
  readonly latentHeight: number;
  readonly latentWidth: number;
  readonly count: number;
  readonly batch: number;
}

/** What a drawing is made with unless told otherwise. */
export const drawingDefaults = { steps: 30, guidance: 5, scheduler: 'ddim' } as const;

function planned(base: Base, request: GenerateRequest): Plan {
  const { width = base.width, height = base.height, count = 1, batch = 1 } = request;
  const { steps, guidance, scheduler } = { ...drawingDefaults, ...request };
  const refuse = (what: string, where: string, hint: string) => {
    throw new ParaError('settings', what, { where, hint });
  };
  for (const [name, value] of [
    ['width', width],
    ['height', height],
  ] as const)
    if (!Number.isInteger(value) || value <= 0 || value % base.sizeStep !== 0)
      refuse(
        `A ${name} of ${value} pixels does not fit the base "${base.name}"`,
        name,
        `use a multiple of ${base.sizeStep}`,
      );
  if (!Number.isInteger(count) || count < 1)
    refuse(`${count} pictures cannot be made`, 'count', 'use a whole number from 1');
  if (!Number.isInteger(batch) || batch < 1)
    refuse(`A batch of ${batch} is not possible`, 'batch', 'use a whole number from 1');
  if (!Number.isFinite(guidance))
    refuse(`A guidance of ${guidance} is not possible`, 'guidance', 'use a number, usually from 1 to 12');
  if (!Number.isSafeInteger(request.seed) || request.seed < 0 || !Number.isSafeInteger(request.seed + count))
    refuse(`The seed ${request.seed} is not possible`, 'seed', 'use a whole number from 0 to 2^53 - 1');
  return {
    steps,
    guidance,
    guided: guidance > 1,
    scheduler,
    width,
    height,
    latentHeight: height / base.vaeFactor,
    latentWidth: width / base.vaeFactor,
    count,
    batch: Math.min(batch, count),
  };
}

/** What is encoded for a request, the negative prompt first. */
const promptsOf = ({ negative = '', prompt }: GenerateRequest, { guided }: Plan): string[] =>
  guided ? [negative, prompt] : [prompt];

/** With guidance: the negative prompt's rows for the whole batch, then the prompt's. */
function conditioningFor(text: TextStates, plan: Plan, batch: number): Conditioning {
  const repeated = (vector: Float32Array) => {
    const length = vector.length / text.count;
    const rows = Array.from({ length: text.count * batch }, (_, row) => {
      const prompt = Math.floor(row / batch);
      return vector.subarray(prompt * length, (prompt + 1) * length);
    });
    return together(rows);
  };
  const ids = timeIds(plan.width, plan.height);
  return {
    hidden: repeated(text.hidden),
    pooled: repeated(text.pooled),
    timeIds: Float32Array.from({ length: text.count * batch * ids.length }, (_, i) => ids[i % ids.length]!),
  };
}

function startLatents(
  request: GenerateRequest,
  scheduler: Scheduler,
  first: number,
  batch: number,
  size: number,
): Float32Array {
  const start = request.startNoise?.subarray(first * size, (first + batch) * size);
  if (start && start.length !== batch * size)
    throw new ParaError(
      'settings',
      `The start noise has ${request.startNoise!.length} values, not ${size} per picture`,
      {
        where: 'startNoise',
      },
    );
  const drawn =
    start ?? together(Array.from({ length: batch }, (_, k) => noise(request.seed + first + k, size)));
  return drawn.map((x) => x * scheduler.initialSigma);
}

/** 8-bit RGB rows from planes in [-1, 1]; values outside are clipped. */
export function toPixels(planes: Float32Array, size: number): Uint8Array {
  const pixels = new Uint8Array(size * 3);
  for (let channel = 0; channel < 3; channel++)
    for (let i = 0; i < size; i++) {
      const value = Math.round((planes[channel * size + i]! / 2 + 0.5) * 255);
      pixels[i * 3 + channel] = Math.max(0, Math.min(255, value));
    }
  return pixels;
}
