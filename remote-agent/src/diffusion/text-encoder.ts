import type { Session, SessionOptions } from '../runtime/session.ts';
import { sizeOf, type Tensor, tensorOf, toFloats } from '../runtime/tensor.ts';
import type { Base, BaseTextEncoder } from './base.ts';
import { partSession } from './base-part.ts';
import { type Chunk, chunkPrompt, parsePrompt } from './prompt.ts';
import { ClipTokenizer } from './tokenizer.ts';

/** What conditions the U-Net for `n` prompts; all have the same number of tokens. */
export interface TextStates {
  readonly count: number;
  /** A multiple of the encoders' length. */
  readonly tokens: number;
  /** [n, tokens, width]: the encoders' states side by side. */
  readonly hidden: Float32Array;
  readonly width: number;
  /** [n, pooledWidth]: pooled projection of the first chunk; empty for a base that has none. */
  readonly pooled: Float32Array;
  readonly pooledWidth: number;
}

/**
 * The text encoders of a base. Each chunk of each prompt runs alone, so that a prompt's states do not depend on what
 * it is encoded with. Weights multiply the states of their tokens, after which every chunk's mean is restored, as
 * the field's "original" emphasis does; where that factor would leave [1/2, 2] (a mean near zero), it is left out.
 */
export class TextEncoder {
  readonly tokenizers: readonly ClipTokenizer[];
  readonly #base: Base;
  readonly #sessions: readonly Session[];

  private constructor(base: Base, tokenizers: ClipTokenizer[], sessions: Session[]) {
    this.#base = base;
    this.tokenizers = tokenizers;
    this.#sessions = sessions;
  }

  /** Loads tokenizers and encoders. @throws ParaError `tokenizer`, `model-file`, `device` */
  static async open(base: Base, options: SessionOptions = {}): Promise<TextEncoder> {
    const tokenizers = base.textEncoders.map((e) => ClipTokenizer.open(e.tokenizer, e.vocabulary));
    const sessions: Session[] = [];
    for (const encoder of base.textEncoders) sessions.push(await partSession(encoder, options));
    return new TextEncoder(base, tokenizers, sessions);
  }

  /** Token ids per encoder and chunk, as they go into the encoders. */
  tokenize(prompt: string, atLeast = 1): Chunk[][] {
    const { texts } = parsePrompt(prompt);
    return this.#base.textEncoders.map((encoder, i) =>
      chunkPrompt(texts, this.tokenizers[i]!, encoder.tokens, atLeast),
    );
  }

  /** States of each prompt; `atLeast` chunks each, for sharing a batch with longer ones. */
  async encode(prompts: readonly string[], atLeast = 1): Promise<TextStates> {
    const needed = prompts.map((p) => Math.max(...this.tokenize(p).map((chunks) => chunks.length)));
    const chunks = Math.max(atLeast, 1, ...needed);
    const { textEncoders } = this.#base;
    const length = textEncoders[0]!.tokens;
    const width = textEncoders.reduce((sum, e) => sum + e.width, 0);
    const tokens = chunks * length;
    const hidden = new Float32Array(prompts.length * tokens * width);
    const pooled: Float32Array[] = [];
    for (const [p, prompt] of prompts.entries()) {
      const ids = this.tokenize(prompt, chunks);
      let column = 0;
      for (const [e, encoder] of textEncoders.entries()) {
        for (const [c, chunk] of ids[e]!.entries()) {
          const states = await this.#run(e, encoder, chunk);
          applyWeights(states.hidden, chunk.weights, encoder.width);
          for (let t = 0; t < length; t++) {
            const row = states.hidden.subarray(t * encoder.width, (t + 1) * encoder.width);
            hidden.set(row, (p * tokens + c * length + t) * width + column);
          }
          if (c === 0 && states.pooled && this.#usesPooled(e)) pooled.push(states.pooled);
        }
        column += encoder.width;
      }
    }
    const pooledWidth = pooled[0]?.length ?? 0;
    const together = new Float32Array(pooled.length * pooledWidth);
    for (const [i, vector] of pooled.entries()) together.set(vector, i * pooledWidth);
    return { count: prompts.length, tokens, hidden, width, pooled: together, pooledWidth };
  }

  /** The last encoder that has a pooled projection is the one the U-Net was trained with. */
  #usesPooled(encoder: number): boolean {
    const with_ = this.#base.textEncoders.map((e, i) => (e.ports.pooled ? i : -1));
    return this.#base.unet.ports.pooled !== undefined && encoder === Math.max(...with_);
  }

  async #run(
    index: number,
    encoder: BaseTextEncoder,
    chunk: Chunk,
  ): Promise<{ hidden: Float32Array; pooled: Float32Array | undefined }> {
    const { ids, mask, hidden, pooled } = encoder.ports;
    const dims = [1, encoder.tokens];
    const feeds: Record<string, Tensor> = { [ids.name]: tensorOf(ids.type, dims, chunk.ids) };
    if (mask) feeds[mask.name] = tensorOf(mask.type, dims, new Array<number>(sizeOf(dims)).fill(1));
    const out = await this.#sessions[index]!.run(feeds, [hidden.name, ...(pooled ? [pooled.name] : [])]);
    return {
      hidden: toFloats(out[hidden.name]!),
      pooled: pooled ? toFloats(out[pooled.name]!) : undefined,
    };
  }

  async release(): Promise<void> {
    for (const session of this.#sessions) await session.release();
  }
}

/** Multiplies each token's states in place by its weight and restores the mean over the chunk. */
function applyWeights(states: Float32Array, weights: readonly number[], width: number): void {
  if (weights.every((w) => w === 1)) return;
  const before = sum(states);
  for (const [t, weight] of weights.entries())
    for (let i = t * width; i < (t + 1) * width; i++) states[i] = states[i]! * weight;
  const factor = before / sum(states);
  if (!(factor >= 0.5 && factor <= 2)) return;
  for (let i = 0; i < states.length; i++) states[i] = states[i]! * factor;
}

function sum(values: Float32Array): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}
