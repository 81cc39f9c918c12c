import { Random } from '../common/random.ts';

/** Width and height in pixels. */
export interface Size {
  readonly width: number;
  readonly height: number;
}

/** How a picture becomes one of a given size: it is scaled, then a part of it is cut out. */
export interface Cut {
  /** Size of the picture as it came, after EXIF rotation. */
  readonly original: Size;
  readonly scaled: Size;
  /** Corner of the part in the scaled picture. */
  readonly left: number;
  readonly top: number;
  /** Size of the part. */
  readonly size: Size;
  /** The part is mirrored after it is cut out. */
  readonly mirrored: boolean;
}

/** The smallest size of the picture's shape, to whole pixels, that covers `target`. */
export function coverSize(original: Size, target: Size): Size {
  const scale = Math.max(target.width / original.width, target.height / original.height);
  return {
    width: Math.max(target.width, Math.round(original.width * scale)),
    height: Math.max(target.height, Math.round(original.height * scale)),
  };
}

/** How many times larger a picture must be made to cover `target`; below 1 it is made smaller. */
export const enlargement = (original: Size, target: Size): number =>
  Math.max(target.width / original.width, target.height / original.height);

/** Pictures that would have to be made larger than this many times are refused: they would teach blur. */
export const largestEnlargement = 4;

/** The middle of a picture. */
export function centreCut(original: Size, size: Size): Cut {
  const scaled = coverSize(original, size);
  const left = Math.floor((scaled.width - size.width) / 2);
  const top = Math.floor((scaled.height - size.height) / 2);
  return { original, scaled, left, top, size, mirrored: false };
}

/** A part of a picture at random along its longer side; `random` is drawn from twice. */
export function randomCut(original: Size, size: Size, random: Random): Cut {
  const scaled = coverSize(original, size);
  const left = random.integer(scaled.width - size.width + 1);
  const top = random.integer(scaled.height - size.height + 1);
  return { original, scaled, left, top, size, mirrored: false };
}

/** Corner [left, top] of a cut in the scaled picture as it is shown, that is after mirroring. */
export function shownCorner({ scaled, left, top, size, mirrored }: Cut): readonly [number, number] {
  return [mirrored ? scaled.width - size.width - left : left, top];
}

/**
 * Sizes that pictures may be shown in without much cropping: sides are multiples of `step` from half to twice the side
 * of `target`, and for each width the largest height that keeps the area within the target's, and the other way round.
 * Where the target's sides are multiples of `step` it is one of them. Sorted by width, then height.
 */
export function bucketSizes(target: Size, step: number): Size[] {
  const area = target.width * target.height;
  const side = Math.sqrt(area);
  const first = Math.max(step, Math.ceil(side / 2 / step) * step);
  const last = Math.max(first, Math.floor((side * 2) / step) * step);
  const found = new Map<string, Size>();
  for (let a = first; a <= last; a += step) {
    const b = Math.min(last, Math.floor(area / a / step) * step);
    if (b < first) continue;
    found.set(`${a}x${b}`, { width: a, height: b });
    found.set(`${b}x${a}`, { width: b, height: a });
  }
  found.set(`${target.width}x${target.height}`, target);
  return [...found.values()].sort((a, b) => a.width - b.width || a.height - b.height);
}

/** The bucket whose shape is nearest to a picture's (by the ratio of their aspect ratios); of equals the largest. */
export function nearestBucket(original: Size, buckets: readonly Size[]): Size {
  const aspect = (s: Size) => Math.log(s.width / s.height);
  const wanted = aspect(original);
  let best = buckets[0]!;
  for (const bucket of buckets) {
    const better = Math.abs(aspect(bucket) - wanted) - Math.abs(aspect(best) - wanted);
    const larger = bucket.width * bucket.height > best.width * best.height;
    if (better < -1e-12 || (Math.abs(better) <= 1e-12 && larger)) best = bucket;
  }
  return best;
}

/** How the pictures of a run are cut; see `training.crop` in the subject file. */
export interface CropSettings {
  readonly crop: 'center' | 'random' | 'buckets';
  /** Parts of each picture with random cropping. */
  readonly crops: number;
  readonly flip: boolean;
  readonly seed: number;
}

/**
 * All parts of one picture that a run shows. Random parts follow from the seed and the picture's content, so that a
 * picture is cut alike whatever stands beside it; each counts as one, also where two happen to be the same.
 * @param hash content hash of the picture's file
 * @param target size of a square (or the base's own) picture
 * @param step sides of buckets are multiples of it
 */
export function cutsOf(
  original: Size,
  hash: string,
  target: Size,
  step: number,
  settings: CropSettings,
): Cut[] {
  const { crop, crops, flip, seed } = settings;
  const plain =
    crop === 'random'
      ? Array.from({ length: crops }, (_, k) =>
          randomCut(original, target, new Random(seed, `crop:${hash}:${k}`)),
        )
      : [
          centreCut(
            original,
            crop === 'buckets' ? nearestBucket(original, bucketSizes(target, step)) : target,
          ),
        ];
  return flip ? plain.flatMap((cut) => [cut, { ...cut, mirrored: true }]) : plain;
}
