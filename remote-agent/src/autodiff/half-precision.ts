import { attribute } from '../onnx/attributes.ts';
import type { Graph } from '../onnx/graph.ts';
import type { NodeProto, TensorProto } from '../onnx/proto/onnx_pb.ts';
import { prune } from '../onnx/prune.ts';
import { dimsOf } from '../onnx/tensor-data.ts';
import { DataType } from '../onnx/types.ts';

/** Operators that are computed in f32: sums of many, and functions that a half rounds too far. */
const full = new Set([
  ...['Softmax', 'ReduceSum', 'ReduceMean', 'ReduceSumSquare', 'Pow', 'Sqrt', 'Reciprocal', 'Log'],
  ...['InstanceNormalization', 'GroupNormalization', 'Sin', 'Cos', 'Range', 'Einsum'],
]);

/** Operators that only move values: they keep the type of what they move. */
const moving = new Set([
  ...['Reshape', 'Flatten', 'Squeeze', 'Unsqueeze', 'Transpose', 'Slice', 'Split', 'Expand', 'Identity'],
  ...['Gather', 'Dropout'],
]);

const { FLOAT, FLOAT16, BFLOAT16 } = DataType;

/**
 * Turns a graph of f32 into one of mixed precision, in place (Micikevicius et al. 2018, "Mixed Precision Training"):
 * matrix products, convolutions, attention and what lies between them are computed and kept in f16, weights that are
 * stored as halves are read as they lie. In f32 stay sums of many values, softmax, statistics of norms, what leads to
 * sines, values of `graph.exact`, everything that is made from `thin` alone and products with it. Inputs and outputs
 * keep their types. Gradients must be scaled by the caller, so that small ones do not vanish.
 * @param thin f32 graph inputs whose values stay f32: an adapter's coefficients
 */
export function toHalfPrecision(graph: Graph, thin: readonly string[]): void {
  new HalfPass(graph, thin).run();
}

class HalfPass {
  readonly #graph: Graph;
  readonly #producers: ReadonlyMap<string, NodeProto>;
  readonly #outputs: ReadonlySet<string>;
  /** Values that are made from the thin inputs and constants alone. */
  readonly #thin: Set<string>;
  /** Constants: initializers, and what is cast from one. */
  readonly #constants = new Set<string>();
  /** Nodes that make what sines are taken of. */
  readonly #angles = new Set<NodeProto>();
  /** Values of the graph of f32 that are halves now. */
  readonly #halves = new Set<string>();
  /** A value in the other type, by its name. */
  readonly #asHalf = new Map<string, string>();
  readonly #asFull = new Map<string, string>();
  #nodes: NodeProto[] = [];

  constructor(graph: Graph, thin: readonly string[]) {
    this.#graph = graph;
    this.#producers = graph.producers();
    this.#outputs = new Set(graph.outputs.map((output) => output.name));
    this.#thin = new Set(thin);
    for (const name of graph.initializers.keys()) this.#constants.add(name);
    for (const node of graph.nodes) {
      if (node.opType === 'Cast' && this.#constants.has(node.input[0]!)) this.#constants.add(node.output[0]!);
      if (node.opType === 'Sin' || node.opType === 'Cos') this.#collectAngles(node);
      const known = (name: string) => !name || this.#thin.has(name) || this.#constants.has(name);
      if (node.input.some((name) => this.#thin.has(name)) && node.input.every(known))
        for (const name of node.output) this.#thin.add(name);
    }
  }

  #collectAngles(node: NodeProto): void {
    const open = [node];
    for (let next = open.pop(); next; next = open.pop()) {
      if (this.#angles.has(next)) continue;
      this.#angles.add(next);
      for (const name of next.input) {
        const made = this.#producers.get(name);
        if (made) open.push(made);
      }
    }
  }

  run(): void {
    const graph = this.#graph;
    for (const node of graph.nodes) {
      if (node.opType === 'Cast') this.#cast(node);
      else if (this.#isHalf(node)) this.#half(node);
      else this.#full(node);
    }
    for (const name of this.#halves) {
      const known = graph.types.get(name);
      if (known) graph.types.set(name, { ...known, type: FLOAT16 });
    }
    graph.replaceNodes(this.#nodes);
    prune(graph);
  }

  #isFloat(name: string): boolean {
    const type = this.#graph.types.get(name)?.type ?? this.#graph.initializers.get(name)?.dataType;
    return type === FLOAT;
  }

  #isHalf(node: NodeProto): boolean {
    const floats = node.input.filter((name) => name && this.#isFloat(name));
    const [y] = node.output as [string];
    if (floats.length === 0 && !this.#isFloat(y)) return false;
    if (full.has(node.opType) || this.#angles.has(node)) return false;
    if (this.#graph.exact.has(y) || this.#thin.has(y)) return false;
    if (moving.has(node.opType))
      return this.#halves.has(node.input[0]!) || this.#storesHalves(node.input[0]!);
    if (node.opType === 'Concat') return floats.some((name) => this.#halves.has(name));
    return !floats.some((name) => this.#thin.has(name));
  }

  /** A weight that lies in the file as halves: what only moves it, as a transpose, leaves it so. */
  #storesHalves(name: string): boolean {
    return this.#constants.has(name) && this.#stored(name)?.dataType === FLOAT16;
  }

  /** The initializer that a constant is, or is cast from. */
  #stored(constant: string): TensorProto | undefined {
    return this.#graph.initializers.get(this.#producers.get(constant)?.input[0] ?? constant);
  }

  #half(node: NodeProto): void {
    // A resizing operator takes its factors as f32 whatever it resizes.
    const last = node.opType === 'Resize' ? 1 : node.input.length;
    node.input = node.input.map((name, i) =>
      name && i < last && this.#isFloat(name) ? this.#inHalf(name) : name,
    );
    const statistics = node.opType === 'LayerNormalization';
    const casts: NodeProto[] = [];
    node.output = node.output.map((name, i) => {
      if (!name || !this.#isFloat(name) || (statistics && i > 0)) return name;
      if (!this.#outputs.has(name)) {
        this.#halves.add(name);
        return name;
      }
      const made = this.#graph.uniqueName(`${name}.half`);
      this.#graph.types.set(made, { ...this.#graph.types.get(name)!, type: FLOAT16 });
      this.#asHalf.set(name, made);
      casts.push(this.#casting(made, name, FLOAT));
      return made;
    });
    this.#nodes.push(node, ...casts);
  }

  #full(node: NodeProto): void {
    node.input = node.input.map((name) => (this.#halves.has(name) ? this.#inFull(name) : name));
    this.#nodes.push(node);
  }

  /** A cast from or to another type stays; between floats it follows its input. */
  #cast(node: NodeProto): void {
    const [x] = node.input as [string];
    if (this.#halves.has(x)) node.input = [this.#inFull(x)];
    this.#nodes.push(node);
  }

  #casting(from: string, to: string, type: DataType): NodeProto {
    const made = this.#graph.makeNode('Cast', [from], { outputs: [to] });
    made.attribute.push(attribute('to', BigInt(type)));
    return made;
  }

  #converted(from: string, hint: string, type: DataType, shape: readonly (number | undefined)[]): string {
    const name = this.#graph.uniqueName(hint);
    this.#graph.types.set(name, { type, shape });
    this.#nodes.push(this.#casting(from, name, type));
    return name;
  }

  #inHalf(name: string): string {
    if (this.#halves.has(name)) return name;
    let known = this.#asHalf.get(name);
    if (known === undefined) {
      known = this.#constants.has(name) ? this.#constant(name) : undefined;
      const shape = this.#graph.types.get(name)?.shape ?? [];
      known ??= this.#converted(name, `${name}.half`, FLOAT16, shape);
      this.#asHalf.set(name, known);
    }
    return known;
  }

  /** A weight as it lies where that is in halves; others are cast once, which the runtime does when it loads the graph. */
  #constant(name: string): string | undefined {
    const stored = this.#stored(name);
    if (stored?.dataType === FLOAT16) return stored.name;
    if (stored?.dataType !== BFLOAT16) return undefined;
    return this.#converted(stored.name, `${name}.half`, FLOAT16, dimsOf(stored));
  }

  #inFull(name: string): string {
    let known = this.#asFull.get(name);
    if (known === undefined) {
      known = this.#converted(name, `${name}.full`, FLOAT, this.#graph.types.get(name)!.shape);
      this.#asFull.set(name, known);
    }
    return known;
  }
}
