import type { Graph } from './graph.ts';
import type { NodeProto } from './proto/onnx_pb.ts';
import { constantsOf, countIn, valueBytes } from './weights.ts';

/** Operators whose output is their first input under another shape. */
const views = new Set(['Reshape', 'Squeeze', 'Unsqueeze', 'Identity', 'Flatten']);

/**
 * Operators that write where their input lay, once nobody else reads that. Sums and products of two values are not among
 * them: the runtime was seen to give each a buffer of its own.
 */
const inPlace = new Set([
  ...['Neg', 'Exp', 'Erf', 'Sqrt', 'Reciprocal', 'Sigmoid', 'Tanh', 'Relu', 'Abs', 'Sign', 'Softmax'],
]);

/** A buffer as the runtime plans it: taken before a node runs, given back after another has. */
export interface Buffer {
  readonly bytes: number;
  /** Positions in the list of nodes; `to` is the number of nodes for outputs of the graph. */
  readonly from: number;
  readonly to: number;
}

/**
 * The buffers of a session for the values that nodes make, as the runtime plans them when it loads a graph: a buffer that
 * nobody reads any more is kept for the next value of exactly its shape, however much later that is made, and is given
 * back only after the last of them. So two attentions far apart hold what they work in over all that lies between.
 * Inputs belong to the caller, and weights are counted elsewhere.
 */
export function plannedBuffers(graph: Graph): Buffer[] {
  const planner = new Planner(graph);
  const { nodes } = graph;
  for (const [at, node] of nodes.entries()) planner.plan(node, at);
  return planner.finish(nodes.length);
}

class Block implements Buffer {
  readonly bytes: number;
  readonly from: number;
  readonly shape: string | undefined;
  to: number;
  /** Readers still to come. */
  readers = 0;

  constructor(bytes: number, from: number, shape: string | undefined) {
    this.bytes = bytes;
    this.from = from;
    this.to = from;
    this.shape = shape;
  }
}

class Planner {
  readonly #graph: Graph;
  readonly #constants: ReadonlySet<string>;
  readonly #outputs: ReadonlySet<string>;
  readonly #readers = new Map<string, number>();
  readonly #blocks: Block[] = [];
  /** Where a value lies; absent for constants and inputs of the graph. */
  readonly #of = new Map<string, Block>();
  /** Blocks nobody reads any more, by shape. */
  readonly #free = new Map<string, Block[]>();

  constructor(graph: Graph) {
    this.#graph = graph;
    this.#constants = constantsOf(graph);
    this.#outputs = new Set(graph.outputs.map(({ name }) => name));
    const read = (name: string) => this.#readers.set(name, (this.#readers.get(name) ?? 0) + 1);
    for (const node of graph.nodes)
      if (!this.#isConstant(node)) for (const name of node.input) if (name) read(name);
    for (const name of this.#outputs) read(name);
  }

  #isConstant(node: NodeProto): boolean {
    return node.output.every((name) => this.#constants.has(name));
  }

  plan(node: NodeProto, at: number): void {
    if (this.#isConstant(node)) return;
    const made = node.output.filter(Boolean).map((name) => this.#place(node, name, at));
    for (const name of node.input) {
      const block = this.#of.get(name);
      if (block) this.#read(block, at);
    }
    for (const block of made) if (block.readers === 0) this.#giveBack(block, at);
  }

  #place(node: NodeProto, name: string, at: number): Block {
    const block = this.#under(node, name) ?? this.#reused(name) ?? this.#taken(name, at);
    block.readers += this.#readers.get(name) ?? 0;
    this.#of.set(name, block);
    return block;
  }

  /** The block of an input that the output of this node lies in. */
  #under(node: NodeProto, name: string): Block | undefined {
    const block = this.#of.get(node.input[0] ?? '');
    if (!block || views.has(node.opType)) return block;
    const fits = inPlace.has(node.opType) && block.readers === 1 && block.shape === this.#shape(name);
    return fits && !this.#outputs.has(name) ? block : undefined;
  }

  #reused(name: string): Block | undefined {
    const shape = this.#shape(name);
    return shape === undefined || this.#outputs.has(name) ? undefined : this.#free.get(shape)?.pop();
  }

  #taken(name: string, at: number): Block {
    const block = new Block(valueBytes(this.#graph, name), at, this.#shape(name));
    this.#blocks.push(block);
    return block;
  }

  #shape(name: string): string | undefined {
    const known = this.#graph.types.get(name);
    return known && !known.shape.includes(undefined) ? `${known.type}: ${known.shape.join()}` : undefined;
  }

  #read(block: Block, at: number): void {
    block.to = at;
    block.readers--;
    if (block.readers === 0) this.#giveBack(block, at);
  }

  #giveBack(block: Block, at: number): void {
    block.to = at;
    if (block.shape === undefined) return;
    const same = this.#free.get(block.shape);
    if (!same) this.#free.set(block.shape, [block]);
    else if (!same.includes(block)) same.push(block);
  }

  finish(end: number): Block[] {
    for (const name of this.#outputs) {
      const block = this.#of.get(name);
      if (block) block.to = end;
    }
    return this.#blocks;
  }
}

/** Bytes that an operator of the CPU provider works in while it runs, beside its inputs and outputs. */
export function workspaceBytes(graph: Graph, node: NodeProto): number {
  const shape = (name: string | undefined) => graph.types.get(name ?? '')?.shape ?? [];
  if (node.opType === 'ConvTranspose') {
    // All columns are made first: [output channels x kernel, pixels].
    const [, , ...pixels] = shape(node.input[0]);
    const [, ...kernel] = shape(node.input[1]);
    return 4 * countIn(pixels) * countIn(kernel);
  }
  // Queries, keys and values are turned to [batch, heads, tokens, width] first.
  if (node.opType === 'MultiHeadAttention')
    return node.input.slice(0, 3).reduce((sum, name) => sum + (name ? valueBytes(graph, name) : 0), 0);
  return 0;
}

/**
 * The most that a session holds for activations, in bytes: the runtime's planned buffers, and what operators work in,
 * where both together are largest. What its allocator takes for them comes on top.
 */
export function activationPeak(graph: Graph): number {
  const { nodes } = graph;
  const change = new Float64Array(nodes.length + 2);
  for (const { bytes, from, to } of plannedBuffers(graph)) {
    change[from] = change[from]! + bytes;
    change[to + 1] = change[to + 1]! - bytes;
  }
  let held = 0;
  let peak = 0;
  for (const [at, node] of nodes.entries()) {
    held += change[at]!;
    peak = Math.max(peak, held + workspaceBytes(graph, node));
  }
  return peak;
}
