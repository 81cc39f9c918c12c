import { ParaError } from '../common/errors.ts';
import type { AttributeValue } from '../onnx/attributes.ts';
import type { Graph } from '../onnx/graph.ts';
import { countOf, dimsOf, toNumbers } from '../onnx/tensor-data.ts';
import { DataType, floatTensor, int64Tensor } from '../onnx/types.ts';

/** A node that an emitter appended. */
export interface Made {
  readonly type: string;
  readonly inputs: readonly string[];
  readonly attributes: Readonly<Record<string, AttributeValue>>;
}

/** Appends nodes whose shapes are known, and records those in `graph.types`. Values are named by strings. */
export class Emitter {
  readonly graph: Graph;
  readonly #constants = new Map<string, string>();
  /** What this emitter appended, by output. */
  readonly #made = new Map<string, Made>();
  #exact = false;

  constructor(graph: Graph) {
    this.graph = graph;
  }

  /** Static shape of a value. @throws ParaError `graph` when it is not known */
  shape(name: string): number[] {
    const initializer = this.graph.initializers.get(name);
    const shape = this.graph.types.get(name)?.shape ?? (initializer && dimsOf(initializer));
    if (!shape || shape.includes(undefined))
      throw new ParaError('graph', 'The shape of a value is not known', {
        where: name,
        hint: 'fix the dimensions of all inputs first',
      });
    return shape as number[];
  }

  /** Runs `make`, whose nodes must not be computed in half precision. */
  exactly<T>(make: () => T): T {
    const before = this.#exact;
    this.#exact = true;
    try {
      return make();
    } finally {
      this.#exact = before;
    }
  }

  /** Appends one node with one output of the given shape (f32) and returns its name. */
  op(
    type: string,
    inputs: readonly string[],
    shape: readonly number[],
    attributes: Readonly<Record<string, AttributeValue>> = {},
    elementType: DataType = DataType.FLOAT,
  ): string {
    const out = this.graph.add(type, inputs, { attributes, hint: 'd' });
    this.graph.types.set(out, { type: elementType, shape });
    if (this.#exact) this.graph.exact.add(out);
    this.#made.set(out, { type, inputs, attributes });
    return out;
  }

  /** The node that this emitter appended to make a value, if it did. */
  madeBy(name: string): Made | undefined {
    return this.#made.get(name);
  }

  /** A lone f32 constant. */
  scalar(value: number): string {
    return this.#constant(`s${value}`, () => floatTensor(this.graph.uniqueName('d.scalar'), [], [value]));
  }

  /** A list of int64 constants. */
  ints(values: readonly number[]): string {
    return this.#constant(`i${values}`, () =>
      int64Tensor(this.graph.uniqueName('d.ints'), [values.length], values),
    );
  }

  #constant(key: string, make: () => ReturnType<typeof floatTensor>): string {
    let name = this.#constants.get(key);
    if (name === undefined) {
      const tensor = make();
      name = this.graph.setInitializer(tensor);
      this.graph.types.set(name, { type: tensor.dataType, shape: dimsOf(tensor) });
      this.#constants.set(key, name);
    }
    return name;
  }

  /** Elements of a small initializer, or `undefined` for anything else. */
  constantValues(name: string, limit = 16): number[] | undefined {
    const tensor = this.graph.initializers.get(name);
    return tensor && countOf(dimsOf(tensor)) <= limit ? toNumbers(this.graph, tensor) : undefined;
  }

  zeros(shape: readonly number[]): string {
    return this.op('Expand', [this.scalar(0), this.ints(shape)], shape);
  }

  add(a: string, b: string): string {
    return this.op('Add', [a, b], this.broadcast(a, b));
  }

  sub(a: string, b: string): string {
    return this.op('Sub', [a, b], this.broadcast(a, b));
  }

  mul(a: string, b: string): string {
    return this.op('Mul', [a, b], this.broadcast(a, b));
  }

  div(a: string, b: string): string {
    return this.op('Div', [a, b], this.broadcast(a, b));
  }

  broadcast(a: string, b: string): number[] {
    const x = this.shape(a);
    const y = this.shape(b);
    const rank = Math.max(x.length, y.length);
    return Array.from({ length: rank }, (_, i) => {
      const d = x[x.length - rank + i] ?? 1;
      return d === 1 ? (y[y.length - rank + i] ?? 1) : d;
    });
  }

  /** Of a reshaped value, reshapes what that was made from. */
  reshape(x: string, shape: readonly number[]): string {
    const source = this.#unshaped(x);
    for (const same of [x, source]) if (this.shape(same).join() === shape.join()) return same;
    return this.op('Reshape', [source, this.ints(shape)], shape);
  }

  #unshaped(x: string): string {
    const made = this.#made.get(x);
    return made?.type === 'Reshape' ? made.inputs[0]! : x;
  }

  /** Sum of values of one shape; matrix products take what is summed before them as their third operand. */
  sum(values: readonly string[]): string {
    const shape = this.shape(values[0]!);
    const roots = values.map((v) => this.#unshaped(v));
    const product = (root: string) => {
      const made = this.#made.get(root);
      return made?.type === 'Gemm' && made.inputs.length === 2 ? made : undefined;
    };
    const rows = roots.find(product);
    const fits = (root: string) =>
      product(root) && this.shape(root).join() === (rows && this.shape(rows).join());
    const others = values.filter((_, i) => !fits(roots[i]!));
    const products = roots.filter(fits);
    if (rows === undefined) return values.reduce((a, b) => this.add(a, b));
    let total =
      others.length > 0
        ? this.reshape(
            others.reduce((a, b) => this.add(a, b)),
            this.shape(rows),
          )
        : products.shift()!;
    // The product alone, made before, is pruned where nothing else reads it.
    for (const root of products) {
      const { inputs, attributes } = product(root)!;
      total = this.op('Gemm', [...inputs, total], this.shape(root), attributes);
    }
    return this.reshape(total, shape);
  }

  transpose(x: string, perm: readonly number[]): string {
    const shape = this.shape(x);
    return this.op(
      'Transpose',
      [x],
      perm.map((p) => shape[p]!),
      { perm: perm.map(BigInt) },
    );
  }

  /** Swaps the last two axes. */
  swapLast(x: string): string {
    const rank = this.shape(x).length;
    const perm = Array.from({ length: rank }, (_, i) => i);
    perm.splice(-2, 2, rank - 1, rank - 2);
    return this.transpose(x, perm);
  }

  reduce(kind: 'ReduceSum' | 'ReduceMean', x: string, axes: readonly number[], keep: boolean): string {
    const shape = this.shape(x).flatMap((d, i) => (axes.includes(i) ? (keep ? [1] : []) : [d]));
    return this.op(kind, [x, this.ints(axes)], shape, { keepdims: keep ? 1n : 0n });
  }

  /** Sums what broadcasting repeated, so that the result has `shape`. */
  sumTo(x: string, shape: readonly number[]): string {
    const from = this.shape(x);
    const lead = from.length - shape.length;
    const axes = from.flatMap((d, i) => (i < lead || (shape[i - lead] === 1 && d !== 1) ? [i] : []));
    return axes.length === 0 ? x : this.reshape(this.reduce('ReduceSum', x, axes, true), shape);
  }

  slice(x: string, axis: number, start: number, end: number, step = 1): string {
    const shape = this.shape(x).map((d, i) => (i === axis ? Math.ceil((end - start) / step) : d));
    const i = (v: number) => this.ints([v]);
    return this.op('Slice', [x, i(start), i(end), i(axis), i(step)], shape);
  }

  /** Concatenation as a tree: some devices bind only about eight tensors to one operator. */
  concat(parts: readonly string[], axis: number): string {
    if (parts.length === 1) return parts[0]!;
    const level: string[] = [];
    for (let at = 0; at < parts.length; at += 8) {
      const some = parts.slice(at, at + 8);
      const shape = [...this.shape(some[0]!)];
      shape[axis] = some.reduce((sum, p) => sum + this.shape(p)[axis]!, 0);
      level.push(some.length === 1 ? some[0]! : this.op('Concat', some, shape, { axis: BigInt(axis) }));
    }
    return this.concat(level, axis);
  }

  matmul(a: string, b: string): string {
    const x = this.shape(a);
    const y = this.shape(b);
    const rank = Math.max(x.length, y.length);
    const lead = Array.from({ length: rank - 2 }, (_, i) =>
      Math.max(x[x.length - rank + i] ?? 1, y[y.length - rank + i] ?? 1),
    );
    return this.op('MatMul', [a, b], [...lead, x.at(-2)!, y.at(-1)!]);
  }

  /** `alpha * op(a) op(b)` of two matrices. */
  gemm(a: string, b: string, transA: boolean, transB: boolean, alpha = 1): string {
    const [p, q] = this.shape(a) as [number, number];
    const [r, s] = this.shape(b) as [number, number];
    return this.op('Gemm', [a, b], [transA ? q : p, transB ? r : s], {
      transA: transA ? 1n : 0n,
      transB: transB ? 1n : 0n,
      alpha,
    });
  }

  /** The first element of a value: f32[1]. */
  first(x: string): string {
    const shape = this.shape(x);
    if (shape.length === 0) return this.reshape(x, [1]);
    const list = (value: (axis: number) => number) => this.ints(shape.map((_, i) => value(i)));
    const bounds = [list(() => 0), list(() => 1), list((axis) => axis)];
    const ones = new Array<number>(shape.length).fill(1);
    return this.reshape(this.op('Slice', [x, ...bounds], ones), [1]);
  }

  /**
   * 0 that is there only when all of some values are, f32[1]: what adds it waits for them. It is no number where one
   * of their first elements is none.
   */
  after(values: readonly string[]): string {
    const sum = values.map((value) => this.first(value)).reduce((a, b) => this.add(a, b));
    return this.mul(sum, this.scalar(0));
  }

  /** Rows x last axis. */
  flatRows(x: string): string {
    const shape = this.shape(x);
    return this.reshape(x, [countOf(shape.slice(0, -1)), shape.at(-1)!]);
  }
}
