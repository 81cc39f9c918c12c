/**
 * Orthonormal basis of the columns of `matrix`, in f64 by two-pass classical Gram-Schmidt (see para-basis.ts, whose
 * twin on the host this is). A column that depends on the ones before it becomes zero.
 * @param matrix row-major [rows, columns]
 * @returns row-major f64[rows, columns]
 */
export function orthonormalColumns(matrix: ArrayLike<number>, rows: number, columns: number): Float64Array {
  const vectors: Float64Array[] = [];
  for (let j = 0; j < columns; j++) {
    const v = new Float64Array(rows);
    for (let i = 0; i < rows; i++) v[i] = matrix[i * columns + j]!;
    vectors.push(v);
  }
  orthonormalise(vectors);
  const out = new Float64Array(rows * columns);
  for (let j = 0; j < columns; j++) for (let i = 0; i < rows; i++) out[i * columns + j] = vectors[j]![i]!;
  return out;
}

/**
 * Makes vectors of one length orthonormal in place. What lies in the span of the ones before it, but for this share
 * of its length, becomes zero.
 */
export function orthonormalise(vectors: readonly Float64Array[], tolerance = 1e-13): void {
  for (const [j, v] of vectors.entries()) {
    const before = Math.sqrt(dot(v, v));
    for (let pass = 0; pass < 2; pass++) {
      // Classical: all amounts are taken from the vector as it stands before this pass.
      const amounts = vectors.slice(0, j).map((q) => dot(q, v));
      for (const [k, amount] of amounts.entries()) addScaled(v, vectors[k]!, -amount);
    }
    const length = Math.sqrt(dot(v, v));
    if (length > tolerance * before) for (let i = 0; i < v.length; i++) v[i] = v[i]! / length;
    else v.fill(0);
  }
}

/** Inner product. */
export function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

/** `target += factor * source`, in place. */
export function addScaled(target: Float64Array, source: Float64Array, factor: number): void {
  for (let i = 0; i < target.length; i++) target[i] = target[i]! + factor * source[i]!;
}
