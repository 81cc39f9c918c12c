import { checkPictures } from '../dataset/check.ts';
import {
  bucketSizes,
  type CropSettings,
  type Cut,
  cutsOf,
  enlargement,
  nearestBucket,
  type Size,
  shownCorner,
} from '../dataset/crop.ts';
import { cutOut, type Picture, readPicture, toPixels } from '../dataset/pictures.ts';
import { thumbnail } from '../dataset/thumbnail.ts';
import type { Base } from '../diffusion/base.ts';
import { trainingSize } from '../diffusion/base-sizes.ts';
import { timeIds, unetShapes } from '../diffusion/denoiser.ts';
import { TextEncoder, type TextStates } from '../diffusion/text-encoder.ts';
import { Vae } from '../diffusion/vae.ts';
import type { SpecPicture, TrainSpec } from '../subject/train-spec.ts';
import { ExampleCache } from './example-cache.ts';

/** A picture as the U-Net sees it: scaled latents and the states of its caption. */
export interface Example {
  /** Position among all examples, in the order of the pictures. */
  readonly index: number;
  readonly latent: Float32Array;
  readonly hidden: Float32Array;
  readonly pooled: Float32Array;
  readonly timeIds: Float32Array;
}

/** Examples of one size: a batch holds examples of one group only. */
export interface ExampleGroup extends Size {
  readonly latentHeight: number;
  readonly latentWidth: number;
  /** Tokens of the text states. */
  readonly tokens: number;
  readonly examples: readonly Example[];
}

export interface Examples {
  /** The largest first, equals by width; never empty. */
  readonly groups: readonly ExampleGroup[];
  /** The states of the empty caption, for caption dropout. */
  readonly empty: { readonly hidden: Float32Array; readonly pooled: Float32Array };
}

/**
 * A run's pictures and captions as tensors. Latents and text states are cached by content, so that a
 * resumed run needs neither the pictures nor the encoders. Release it when all is loaded.
 */
export class ExampleLoader {
  readonly #base: Base;
  readonly #spec: TrainSpec;
  readonly #target: Size;
  readonly #cache: ExampleCache;
  readonly #vae: Vae;
  #text: TextEncoder | undefined;
  #sizes = new Map<string, Size>();
  #last: { readonly file: string; readonly picture: Picture } | undefined;

  constructor(base: Base, spec: TrainSpec, cache: string) {
    this.#base = base;
    this.#spec = spec;
    this.#target = trainingSize(base, spec.training.resolution);
    this.#cache = new ExampleCache(cache, base.hash, spec.background);
    this.#vae = new Vae(base, { device: spec.device });
  }

  /**
   * Reads all pictures of the run, training and validation.
   * @returns files that have fewer pixels than they are trained at, and are made larger
   * @throws ParaError `picture` with all problems of all pictures, `base` when the base takes one size only
   */
  async check(): Promise<string[]> {
    const { pictures, validationPictures } = this.#spec;
    const all = [...pictures, ...validationPictures];
    this.#sizes = await checkPictures(
      all,
      (hash) => this.#cache.size(hash),
      (size) => this.#sizeFor(size),
    );
    for (const [hash, size] of this.#sizes) this.#cache.keepSize(hash, size);
    const small = all.filter(({ sha256 }) => {
      const size = this.#sizes.get(sha256)!;
      return enlargement(size, this.#sizeFor(size)) > 1;
    });
    return [...new Set(small.map(({ file }) => file))];
  }

  /** The size that a picture is shown in. */
  #sizeFor(original: Size): Size {
    const buckets = this.#spec.training.crop === 'buckets';
    return buckets ? nearestBucket(original, bucketSizes(this.#target, this.#base.sizeStep)) : this.#target;
  }

  /**
   * Encodes pictures (checked before) and captions.
   * @param use `validation`: each picture once, its middle, whatever the run's cropping does
   * @param between called before each picture; throw to leave
   */
  async load(
    pictures: readonly SpecPicture[],
    use: 'training' | 'validation',
    between: () => Promise<void> = async () => {},
  ): Promise<Examples> {
    const { training } = this.#spec;
    const settings: CropSettings =
      use === 'training'
        ? training
        : { ...training, crop: training.crop === 'buckets' ? 'buckets' : 'center', flip: false };
    const states = await this.#texts(pictures);
    await this.#releaseText();
    const textOf = (i: number) => ({
      hidden: states.hidden.slice(i * states.tokens * states.width, (i + 1) * states.tokens * states.width),
      pooled: states.pooled.slice(i * states.pooledWidth, (i + 1) * states.pooledWidth),
    });
    const wanted = new Map<string, { picture: number; cut: Cut; index: number }[]>();
    let index = 0;
    for (const [picture, { sha256 }] of pictures.entries())
      for (const cut of cutsOf(
        this.#sizes.get(sha256)!,
        sha256,
        this.#target,
        this.#base.sizeStep,
        settings,
      )) {
        const key = `${cut.size.width}x${cut.size.height}`;
        const same = wanted.get(key) ?? [];
        wanted.set(key, same);
        same.push({ picture, cut, index: index++ });
      }
    const groups: { size: Size; examples: Example[] }[] = [];
    // One size after the other: the VAE has a session for each large one.
    for (const cuts of wanted.values()) {
      const examples: Example[] = [];
      for (const { picture, cut, index } of cuts) {
        await between();
        const original = this.#sizes.get(pictures[picture]!.sha256)!;
        const [left, top] = shownCorner(cut);
        const ids = Float32Array.from(timeIds(cut.size.width, cut.size.height, { original, left, top }));
        const latent = await this.#latent(pictures[picture]!, cut);
        examples.push({ index, latent, ...textOf(picture), timeIds: ids });
      }
      groups.push({ size: cuts[0]!.cut.size, examples });
    }
    this.#last = undefined;
    return {
      groups: groups
        .sort((a, b) => b.examples.length - a.examples.length || a.size.width - b.size.width)
        .map(({ size, examples }) => ({ ...size, ...this.#shape(size, states.tokens), examples })),
      empty: textOf(pictures.length),
    };
  }

  /**
   * Encodes the captions of all these pictures, after which the text encoders are freed: `load` then finds their states
   * and needs the VAE alone.
   */
  async encodeCaptions(sets: readonly (readonly SpecPicture[])[]): Promise<void> {
    for (const pictures of sets) await this.#texts(pictures);
    await this.#releaseText();
  }

  /** The states of captions, the empty one last. Text encoders and VAE are not loaded together. */
  #texts(pictures: readonly SpecPicture[]): Promise<TextStates> {
    const captions = [...pictures.map((p) => p.caption), ''];
    return this.#cache.texts(captions, async () => {
      await this.#vae.release();
      this.#text ??= await TextEncoder.open(this.#base, { device: this.#spec.device });
      const made = await this.#text.encode(captions);
      // Nothing of other weights gets into the cache.
      this.#base.check();
      return made;
    });
  }

  async #releaseText(): Promise<void> {
    await this.#text?.release();
    this.#text = undefined;
  }

  /** The first training picture as a data URI, see `thumbnail`. */
  async thumbnail(): Promise<string> {
    const first = this.#spec.pictures[0]!;
    return this.#cache.thumbnail(first.sha256, async () => thumbnail(await this.#read(first.file)));
  }

  /** @throws ParaError `base` where the U-Net was exported for another size only */
  #shape(size: Size, tokens: number) {
    const { vaeFactor, unet } = this.#base;
    const shape = { latentHeight: size.height / vaeFactor, latentWidth: size.width / vaeFactor, tokens };
    unetShapes(this.#base, { batch: unet.ports.sample.dims[0] ?? this.#spec.training.batch, ...shape });
    return shape;
  }

  async #read(file: string): Promise<Picture> {
    if (this.#last?.file !== file)
      this.#last = { file, picture: await readPicture(file, this.#spec.background) };
    return this.#last.picture;
  }

  #latent({ file, sha256 }: SpecPicture, cut: Cut): Promise<Float32Array> {
    const { latentChannels, vaeFactor } = this.#base;
    const { width, height } = cut.size;
    const length = (latentChannels * height * width) / vaeFactor ** 2;
    return this.#cache.latent(sha256, cut, length, async () => {
      const data = toPixels(await cutOut(await this.#read(file), cut));
      const { data: latent } = await this.#vae.encode({ count: 1, channels: 3, height, width, data });
      this.#base.check();
      return latent;
    });
  }

  /** Frees the encoder that is loaded. */
  async release(): Promise<void> {
    await this.#releaseText();
    await this.#vae.release();
  }
}
