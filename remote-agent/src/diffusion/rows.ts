/** Vectors one after the other. */
export function together(vectors: readonly Float32Array[]): Float32Array {
  const out = new Float32Array(vectors.reduce((sum, v) => sum + v.length, 0));
  let at = 0;
  for (const vector of vectors) {
    out.set(vector, at);
    at += vector.length;
  }
  return out;
}

export const twice = (vector: Float32Array) => together([vector, vector]);

/** Classifier-free guidance (Ho & Salimans 2022): `u + g (c - u)`, with u in the first half and c in the second. */
export function guide(output: Float32Array, guidance: number): Float32Array {
  const half = output.length / 2;
  const out = new Float32Array(half);
  for (let i = 0; i < half; i++) out[i] = output[i]! + guidance * (output[half + i]! - output[i]!);
  return out;
}
