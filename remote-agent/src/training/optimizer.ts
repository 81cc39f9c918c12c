/** Settings of AdamW; see Loshchilov & Hutter, "Decoupled Weight Decay Regularization" (2019), algorithm 2. */
export interface OptimizerSettings {
  readonly kind: 'adamw' | 'sgd';
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly weightDecay: number;
}

/**
 * AdamW (or plain SGD) over one flat f32 vector. State is f32 and arithmetic per element is done in f64 and
 * rounded once on store, in a fixed order: the same inputs give the same bits on every machine.
 */
export class Optimizer {
  /** First moment, f32[n]. */
  readonly m: Float32Array;
  /** Second moment, f32[n]. */
  readonly v: Float32Array;
  /** Updates made so far; the powers of the betas follow from it. */
  updates = 0;
  #beta1Power = 1;
  #beta2Power = 1;
  readonly #settings: OptimizerSettings;

  constructor(length: number, settings: OptimizerSettings) {
    this.#settings = settings;
    this.m = new Float32Array(length);
    this.v = new Float32Array(length);
  }

  /** Takes over the state of a checkpoint: moments f32[n] and the number of updates behind them. */
  restore(m: Float32Array, v: Float32Array, updates: number): void {
    this.m.set(m);
    this.v.set(v);
    this.updates = 0;
    this.#beta1Power = 1;
    this.#beta2Power = 1;
    // Repeated products, as a run that was never stopped makes them.
    for (let i = 0; i < updates; i++) this.#count();
  }

  #count(): void {
    this.updates++;
    this.#beta1Power *= this.#settings.beta1;
    this.#beta2Power *= this.#settings.beta2;
  }

  /** Changes `parameters` in place by one update; all vectors have the same length. */
  update(parameters: Float32Array, gradient: Float32Array, learningRate: number): void {
    this.#count();
    const { kind, beta1, beta2, epsilon, weightDecay } = this.#settings;
    const decay = 1 - learningRate * weightDecay;
    if (kind === 'sgd') {
      for (let i = 0; i < parameters.length; i++)
        parameters[i] = parameters[i]! * decay - learningRate * gradient[i]!;
      return;
    }
    const { m, v } = this;
    const stepSize = learningRate / (1 - this.#beta1Power);
    const vCorrection = 1 / Math.sqrt(1 - this.#beta2Power);
    for (let i = 0; i < parameters.length; i++) {
      const g = gradient[i]!;
      m[i] = beta1 * m[i]! + (1 - beta1) * g;
      v[i] = beta2 * v[i]! + (1 - beta2) * g * g;
      parameters[i] =
        parameters[i]! * decay - (stepSize * m[i]!) / (Math.sqrt(v[i]!) * vCorrection + epsilon);
    }
  }
}

/** Euclidean norm of a vector, summed in f64 in a fixed order; NaN or Infinity show through. */
export function norm(vector: Float32Array): number {
  // Four sums at once: one alone waits for each of its additions.
  let [a, b, c, d] = [0, 0, 0, 0];
  const whole = vector.length - (vector.length % 4);
  for (let i = 0; i < whole; i += 4) {
    a += vector[i]! * vector[i]!;
    b += vector[i + 1]! * vector[i + 1]!;
    c += vector[i + 2]! * vector[i + 2]!;
    d += vector[i + 3]! * vector[i + 3]!;
  }
  for (let i = whole; i < vector.length; i++) a += vector[i]! * vector[i]!;
  return Math.sqrt(a + b + (c + d));
}

/** Scales `gradient` in place to at most `limit` (0: no limit) and returns its norm before that. */
export function clipToNorm(gradient: Float32Array, limit: number): number {
  const before = norm(gradient);
  if (limit > 0 && before > limit) {
    const factor = limit / before;
    for (let i = 0; i < gradient.length; i++) gradient[i] = gradient[i]! * factor;
  }
  return before;
}
