import type { Config } from './base-config.ts';

/** The sizes of pictures that a base was made for, in pixels. */
export interface PictureSizes {
  /** Pixels per latent position along each axis. */
  readonly vaeFactor: number;
  /** Default picture size (`sample_size` times the VAE's factor). */
  readonly width: number;
  readonly height: number;
  /** Smallest step of a picture's width and height: the VAE's factor times the U-Net's. */
  readonly sizeStep: number;
}

/** Picture sizes by the configs of a base's U-Net and VAE. */
export function pictureSizes(unet: Config, vae: Config): PictureSizes {
  const blocks = vae.numbers('block_out_channels')?.length ?? 4;
  const vaeFactor = 1 << (blocks - 1);
  const unetBlocks = unet.numbers('block_out_channels')?.length ?? 3;
  const sample = unet.raw('sample_size');
  const [height, width] = (Array.isArray(sample) ? sample : [sample, sample]) as [unknown, unknown];
  const side = (value: unknown) => (typeof value === 'number' && value > 0 ? value : 64) * vaeFactor;
  return {
    vaeFactor,
    width: side(width),
    height: side(height),
    sizeStep: vaeFactor * (1 << (unetBlocks - 1)),
  };
}

/**
 * The size that square pictures are trained at; for a base of another shape, that shape.
 * @param resolution side in pixels that is wished for
 */
export function trainingSize(
  sizes: PictureSizes,
  resolution?: number | null,
): { width: number; height: number } {
  const { sizeStep: step } = sizes;
  // A side that the U-Net can halve as often as it does.
  const fitted = (side: number) => Math.max(step, Math.round(side / step) * step);
  return { width: fitted(resolution ?? sizes.width), height: fitted(resolution ?? sizes.height) };
}
