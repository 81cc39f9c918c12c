/** What is kept of each step, a column of numbers for each. */
export const stepColumns = [
  'step',
  'loss',
  'smoothedLoss',
  'learningRate',
  'gradientNorm',
  'seconds',
  'memoryBytes',
] as const;
export type StepColumn = (typeof stepColumns)[number];

type StepValues = Readonly<Record<StepColumn, number>>;

/** Rows of numbers in the order of their steps, held by columns. */
export class StepColumns {
  #capacity = 1024;
  #length = 0;
  #columns = this.#make(1024);

  #make(capacity: number): Record<StepColumn, Float64Array> {
    return Object.fromEntries(stepColumns.map((name) => [name, new Float64Array(capacity)])) as Record<
      StepColumn,
      Float64Array
    >;
  }

  get length(): number {
    return this.#length;
  }

  /** The values of one column; valid until rows are added or cut. */
  column(name: StepColumn): Float64Array {
    return this.#columns[name].subarray(0, this.#length);
  }

  add(values: StepValues): void {
    if (this.#length === this.#capacity) {
      this.#capacity *= 2;
      const larger = this.#make(this.#capacity);
      for (const name of stepColumns) larger[name].set(this.#columns[name]);
      this.#columns = larger;
    }
    for (const name of stepColumns) this.#columns[name][this.#length] = values[name];
    this.#length++;
  }

  /** Takes back all rows after a step. @returns whether there were any */
  cutAfter(step: number): boolean {
    const length = lowerBound(this.column('step'), step + 1);
    const cut = length < this.#length;
    this.#length = length;
    return cut;
  }
}

/** Index of the first value that is at least `wanted`, in values that grow. */
export function lowerBound(values: ArrayLike<number>, wanted: number): number {
  let low = 0;
  let high = values.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle]! < wanted) low = middle + 1;
    else high = middle;
  }
  return low;
}
