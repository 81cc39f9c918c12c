import { normals, Random } from '../common/random.ts';

/**
 * The noise a picture starts from: standard normal, f32[n], from the project's generator (Philox 4x32-10, see
 * common/random.ts) with the picture's seed as key and the stream `noise`, in the order channel, row, column. Picture k
 * of a batch with seed s has the seed s + k, so it equals the single picture of that seed.
 */
export function noise(seed: number, n: number): Float32Array {
  return normals(seed, 'noise', n);
}

/** The noise that schedulers add on the way, drawn from the stream `sampling` of the picture's seed, step by step. */
export class SamplingNoise {
  readonly #random: Random;

  constructor(seed: number) {
    this.#random = new Random(seed, 'sampling');
  }

  next(n: number): Float32Array {
    const values = new Float32Array(n);
    for (let i = 0; i < n; i++) values[i] = this.#random.normal();
    return values;
  }
}
