/** The optimiser's vectors, all of one length. */
export interface Vectors {
  readonly parameters: Float32Array;
  readonly gradient: Float32Array;
  /** First and second moment. */
  readonly m: Float32Array;
  readonly v: Float32Array;
}

/** What one update does to every value. */
export interface Update {
  readonly kind: 'adamw' | 'sgd';
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly learningRate: number;
  /** What parameters are multiplied by first. */
  readonly decay: number;
  /** Learning rate over the first moment's correction, and one over the root of the second's. */
  readonly stepSize: number;
  readonly vCorrection: number;
  /** What the gradient is multiplied by first. */
  readonly factor: number;
}

/** Values that are summed on their own: what a sum is does not depend on how many threads make it. */
export const chunkLength = 2 ** 16;

/** Sum of the squares of `vector[from:to]`, in f64 and a fixed order; NaN or Infinity show through. */
export function sumOfSquares(vector: Float32Array, from: number, to: number): number {
  // Four sums at once: one alone waits for each of its additions.
  let [a, b, c, d] = [0, 0, 0, 0];
  const whole = to - ((to - from) % 4);
  for (let i = from; i < whole; i += 4) {
    a += vector[i]! * vector[i]!;
    b += vector[i + 1]! * vector[i + 1]!;
    c += vector[i + 2]! * vector[i + 2]!;
    d += vector[i + 3]! * vector[i + 3]!;
  }
  for (let i = whole; i < to; i++) a += vector[i]! * vector[i]!;
  return a + b + (c + d);
}

/** Euclidean norm of a vector, summed in f64 in a fixed order; NaN or Infinity show through. */
export function norm(vector: Float32Array): number {
  let sum = 0;
  for (let from = 0; from < vector.length; from += chunkLength)
    sum += sumOfSquares(vector, from, Math.min(from + chunkLength, vector.length));
  return Math.sqrt(sum);
}

/**
 * Changes `parameters[from:to]` and their moments by one update. State is f32; arithmetic per element is done in f64 and
 * rounded once on store: the same inputs give the same bits on every machine.
 */
export function updateRange(vectors: Vectors, update: Update, from: number, to: number): void {
  const { parameters, gradient, m, v } = vectors;
  const { kind, beta1, beta2, epsilon, learningRate, decay, stepSize, vCorrection, factor } = update;
  if (kind === 'sgd') {
    for (let i = from; i < to; i++)
      parameters[i] = parameters[i]! * decay - learningRate * Math.fround(gradient[i]! * factor);
    return;
  }
  for (let i = from; i < to; i++) {
    const g = Math.fround(gradient[i]! * factor);
    m[i] = beta1 * m[i]! + (1 - beta1) * g;
    v[i] = beta2 * v[i]! + (1 - beta2) * g * g;
    parameters[i] = parameters[i]! * decay - (stepSize * m[i]!) / (Math.sqrt(v[i]!) * vCorrection + epsilon);
  }
}
