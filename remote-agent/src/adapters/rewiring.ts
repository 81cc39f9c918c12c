import { ParaError } from '../common/errors.ts';
import { type AttributeValue, floatAttribute } from '../onnx/attributes.ts';
import type { Graph, ValueType } from '../onnx/graph.ts';
import { DataType, floatTensor, int64Tensor } from '../onnx/types.ts';

type NodeProto = Graph['nodes'][number];
type Shape = readonly (number | undefined)[];

/** Where a layer sits in the graph while it is being rewired. */
export interface Site {
  readonly node: NodeProto;
  /** The layer's input. */
  readonly x: string;
  /** What the layer's node gives now; the layer's old output name is free for the adapted value. */
  readonly y: string;
  /** Name that the adapted value must get. */
  readonly output: string;
  /** Bias that `y` already contains. */
  readonly bias: string | undefined;
  /** Element type and shape of `y`, as far as known. */
  readonly type: ValueType | undefined;
}

/** A tensor within a flat vector; its number of elements is a multiple of the rank. */
export interface FlatPart {
  readonly dims: readonly number[];
  readonly rank: number;
  readonly hint: string;
  readonly type: DataType;
}

const elements = ({ dims }: Pick<FlatPart, 'dims'>) => dims.reduce((a, b) => a * b, 1);

/**
 * Inserts nodes right behind the nodes they belong to, in one pass over the graph, and records the types of what
 * they give. Call `finish` at the end.
 */
export class Rewiring {
  readonly graph: Graph;
  readonly #byName = new Map<string, NodeProto>();
  readonly #after = new Map<NodeProto, NodeProto[]>();
  readonly #first: NodeProto[] = [];
  #current: NodeProto[] = this.#first;

  constructor(graph: Graph) {
    this.graph = graph;
    for (const node of graph.nodes) this.#byName.set(node.name, node);
  }

  /** Frees the output name of a layer's node and lets the following `emit` calls insert behind it. */
  open(nodeName: string): Site {
    const node = this.#byName.get(nodeName);
    if (!node)
      throw new ParaError('graph', `The graph has no node ${nodeName} to attach an adapter to`, {
        where: nodeName,
        hint: 'resolve the layers from this very graph',
      });
    const { graph } = this;
    const output = node.output[0]!;
    const y = graph.uniqueName(`${output}.unadapted`);
    const type = graph.types.get(output);
    if (type) graph.types.set(y, type);
    node.output[0] = y;
    const list = this.#after.get(node) ?? [];
    this.#after.set(node, list);
    this.#current = list;
    let bias = node.input[2] || undefined;
    if (bias && node.opType === 'Gemm') {
      const beta = floatAttribute(node, 'beta', 1);
      if (beta !== 1) bias = this.emit('Mul', [bias, this.scalar(beta)], { hint: `${output}.bias` });
    }
    return { node, x: node.input[0]!, y, output, bias, type };
  }

  /** Lets the following `emit` calls insert behind the node of an opened site. */
  resume(site: Site): void {
    this.#current = this.#after.get(site.node)!;
  }

  /** Lets the following `emit` calls insert before every node of the graph. */
  openStart(): void {
    this.#current = this.#first;
  }

  /** Makes a node here and returns its output's name: `output` where given. */
  emit(
    op: string,
    inputs: readonly string[],
    options: {
      hint: string;
      attributes?: Readonly<Record<string, AttributeValue>>;
      output?: string;
      type?: DataType | undefined;
      shape?: Shape | undefined;
    },
  ): string {
    const { hint, attributes = {}, output, type, shape } = options;
    const node = this.graph.makeNode(op, inputs, {
      hint,
      attributes,
      ...(output ? { outputs: [output] } : {}),
    });
    this.#current.push(node);
    const name = node.output[0]!;
    if (type !== undefined && shape && !output) this.graph.types.set(name, { type, shape });
    return name;
  }

  /** A part of the flat vector `source` (f32) as a tensor of `dims`, converted to `type`. */
  part(
    source: string,
    offset: number,
    dims: readonly number[],
    hint: string,
    type: DataType = DataType.FLOAT,
  ): string {
    const length = dims.reduce((a, b) => a * b, 1);
    const flat = this.#slice(source, offset, [length], `${hint}.flat`);
    const value = this.#reshape(flat, dims, hint);
    return this.converted(value, type, dims, hint);
  }

  /**
   * The tensors that lie in the flat vector `source` (f32) one after another from its start, each converted to `type`.
   * Those of one rank are cut out as rows of one matrix, and so need no reshaping of their own.
   */
  parts(source: string, parts: readonly FlatPart[]): string[] {
    const found: string[] = [];
    const total = parts.reduce((sum, part) => sum + elements(part), 0);
    let offset = 0;
    for (let at = 0; at < parts.length; at = found.length) {
      const { rank } = parts[at]!;
      let end = at;
      while (parts[end]?.rank === rank) end++;
      const run = parts.slice(at, end);
      const length = run.reduce((sum, part) => sum + elements(part), 0);
      const hint = `${source}.rank_${rank}`;
      const flat = length === total ? source : this.#slice(source, offset, [length], `${hint}.flat`);
      const matrix = this.#reshape(flat, [length / rank, rank], hint);
      let row = 0;
      for (const { dims, type, hint: name, ...part } of run) {
        const shape = [elements({ dims }) / part.rank, part.rank];
        const rows = this.#slice(matrix, row, shape, name);
        const value = dims.join() === shape.join() ? rows : this.#reshape(rows, dims, name);
        found.push(this.converted(value, type, dims, name));
        row += shape[0]!;
      }
      offset += length;
    }
    return found;
  }

  /** `shape[0]` elements of the first axis from `start` on. */
  #slice(value: string, start: number, shape: readonly number[], hint: string): string {
    const bounds = [start, start + shape[0]!].map((bound) => this.integers([bound]));
    const axis = this.integers([0]);
    return this.emit('Slice', [value, ...bounds, axis], { hint, type: DataType.FLOAT, shape });
  }

  #reshape(value: string, shape: readonly number[], hint: string): string {
    return this.emit('Reshape', [value, this.integers(shape)], { hint, type: DataType.FLOAT, shape });
  }

  /** An f32 value of shape `dims` as `type`. */
  converted(value: string, type: DataType, dims: readonly number[], hint: string): string {
    if (type === DataType.FLOAT) return value;
    return this.emit('Cast', [value], { hint, attributes: { to: BigInt(type) }, type, shape: dims });
  }

  /** A matrix with rows and columns exchanged. */
  transposed(value: string, hint: string): string {
    const known = this.graph.types.get(value)!;
    return this.emit('Transpose', [value], {
      hint,
      attributes: { perm: [1n, 0n] },
      type: known.type,
      shape: known.shape.toReversed(),
    });
  }

  /** An int64 constant. */
  integers(values: readonly number[]): string {
    return this.graph.setInitializer(
      int64Tensor(this.graph.uniqueName('adapter.shape'), [values.length], values),
    );
  }

  /** An f32 constant of rank 0. */
  scalar(value: number): string {
    return this.graph.setInitializer(floatTensor(this.graph.uniqueName('adapter.factor'), [], [value]));
  }

  /** An image f[N,C,h,w] as f[N,C,h*w]. */
  flattenPixels(value: string, channels: number, hint: string): string {
    const known = this.graph.types.get(value);
    return this.emit('Reshape', [value, this.integers([0, channels, -1])], {
      hint,
      type: known?.type,
      shape: known && flattened(known.shape, channels),
    });
  }

  /** Gives a value f[N,C,h*w] the shape of the image `like`. */
  asPixels(value: string, like: string, hint: string): string {
    const known = this.graph.types.get(like);
    const fixed = known?.shape.every((d) => d !== undefined) ? (known.shape as number[]) : undefined;
    const shape = fixed ? this.integers(fixed) : this.emit('Shape', [like], { hint: `${hint}.shape` });
    return this.emit('Reshape', [value, shape], { hint, type: known?.type, shape: known?.shape });
  }

  /** Puts the new nodes into the graph. */
  finish(): void {
    this.graph.replaceNodes([
      ...this.#first,
      ...this.graph.nodes.flatMap((node) => [node, ...(this.#after.get(node) ?? [])]),
    ]);
  }
}

function flattened(shape: Shape, channels: number): Shape {
  const [n, , h, w] = shape;
  return [n, channels, h !== undefined && w !== undefined ? h * w : undefined];
}
