import { floatAttribute, intAttribute, intsAttribute } from './attributes.ts';
import type { Graph } from './graph.ts';
import type { NodeProto } from './proto/onnx_pb.ts';
import { prune } from './prune.ts';
import { countOf, dimsOf, toNumbers } from './tensor-data.ts';
import { DataType, int64Tensor } from './types.ts';

/** What one attention computes: softmax(scale q k^T) v. */
interface Attention {
  /** [batch, heads, tokens, width]; `k` may be [batch, heads, width, tokens] where `turned` says so. */
  readonly q: string;
  readonly k: string;
  readonly turned: boolean;
  readonly v: string;
  readonly scale: number;
  /** [batch, heads, tokens, width] */
  readonly output: string;
  /** The node that gives `output`. */
  readonly at: NodeProto;
}

/**
 * Rewrites attention as exporters write it - products with a softmax between, on [batch, heads, tokens, width], or
 * ONNX's own Attention - to the runtime's fused operator `com.microsoft.MultiHeadAttention`, which keeps nothing of size
 * tokens x tokens. Attention with a mask, of other ranks, or whose probabilities are read elsewhere stays. Shapes must be
 * known in `graph.types` (see `simplify`), those of the new values are.
 * @returns how many were rewritten
 */
export function fuseAttention(graph: Graph): number {
  const finder = new Finder(graph);
  const found = new Map<NodeProto, readonly NodeProto[]>();
  for (const node of graph.nodes) {
    const attention = finder.attention(node);
    if (attention) found.set(attention.at, fused(graph, finder, attention));
  }
  if (found.size === 0) return 0;
  graph.replaceNodes(graph.nodes.flatMap((node) => found.get(node) ?? [node]));
  dropRenamed(graph);
  if (graph.opset('com.microsoft') === 0) graph.setOpset(1, 'com.microsoft');
  prune(graph);
  return found.size;
}

/** Where a value is made by two nodes now, the first is the fused one. */
function dropRenamed(graph: Graph): void {
  const made = new Set<string>();
  graph.replaceNodes(
    graph.nodes.filter((node) => {
      if (node.output.some((name) => name && made.has(name))) return false;
      for (const name of node.output) made.add(name);
      return true;
    }),
  );
}

class Finder {
  readonly graph: Graph;
  readonly #producers: ReadonlyMap<string, NodeProto>;
  readonly #consumers: ReadonlyMap<string, readonly NodeProto[]>;
  readonly #outputs: ReadonlySet<string>;

  constructor(graph: Graph) {
    this.graph = graph;
    this.#producers = graph.producers();
    this.#consumers = graph.consumers();
    this.#outputs = new Set(graph.outputs.map((output) => output.name));
  }

  shape(name: string): readonly number[] | undefined {
    const shape = this.graph.types.get(name)?.shape;
    return shape?.includes(undefined) ? undefined : (shape as number[] | undefined);
  }

  maker(name: string, operator: string): NodeProto | undefined {
    const node = this.#producers.get(name);
    return node?.opType === operator && node.domain === '' ? node : undefined;
  }

  /** The only reader of a value that is no output of the graph. */
  only(name: string): NodeProto | undefined {
    const list = this.#consumers.get(name);
    return list?.length === 1 && !this.#outputs.has(name) ? list[0] : undefined;
  }

  /** The attention that ends in a node, if it is one of the forms that are known. */
  attention(node: NodeProto): Attention | undefined {
    if (node.domain !== '') return undefined;
    const found = node.opType === 'Attention' ? this.#whole(node) : this.#written(node);
    if (!found) return undefined;
    const [q, k, v] = [found.q, found.k, found.v].map((name) => this.shape(name));
    const type = this.graph.types.get(found.q)?.type;
    if (q?.length !== 4 || k?.length !== 4 || v?.length !== 4) return undefined;
    if (type !== DataType.FLOAT && type !== DataType.FLOAT16) return undefined;
    const heads = [q[1], k[1], v[1]].every((count) => count === q[1]);
    const batch = [k[0], v[0]].every((count) => count === q[0]);
    return heads && batch ? found : undefined;
  }

  #whole(at: NodeProto): Attention | undefined {
    const [q, k, v, ...more] = at.input as [string, string, string, ...string[]];
    const plain =
      more.every((name) => name === '') &&
      at.output.slice(1).every((name) => name === '') &&
      intAttribute(at, 'is_causal', 0) === 0 &&
      floatAttribute(at, 'softcap', 0) === 0;
    const width = this.shape(q)?.at(-1);
    if (!plain || width === undefined) return undefined;
    const scale = floatAttribute(at, 'scale', 1 / Math.sqrt(width));
    return { q, k, turned: false, v, scale, output: at.output[0]!, at };
  }

  #written(softmax: NodeProto): Attention | undefined {
    if (softmax.opType !== 'Softmax') return undefined;
    const rank = this.shape(softmax.input[0]!)?.length;
    const axis = intAttribute(softmax, 'axis', -1);
    const [p] = softmax.output as [string];
    const at = this.only(p);
    if (rank !== 4 || (axis !== -1 && axis !== 3) || at?.opType !== 'MatMul' || at.input[0] !== p)
      return undefined;
    const scores = this.#unscaled(softmax.input[0]!);
    const product = this.maker(scores.value, 'MatMul');
    if (!product) return undefined;
    const q = this.#unscaled(product.input[0]!);
    const k = this.#unscaled(product.input[1]!);
    const scale = scores.scale * q.scale * k.scale;
    return { q: q.value, k: k.value, turned: true, v: at.input[1]!, scale, output: at.output[0]!, at };
  }

  /** A value without the lone constants that it was multiplied by or divided by. */
  #unscaled(name: string): { value: string; scale: number } {
    let value = name;
    let scale = 1;
    for (;;) {
      const product = this.maker(value, 'Mul');
      const quotient = this.maker(value, 'Div');
      const node = product ?? quotient;
      const at = node?.input.findIndex((input) => this.#lone(input) !== undefined) ?? -1;
      if (!node || at < 0 || (quotient && at !== 1)) return { value, scale };
      const factor = this.#lone(node.input[at]!)!;
      scale *= quotient ? 1 / factor : factor;
      value = node.input[1 - at]!;
    }
  }

  #lone(name: string): number | undefined {
    const tensor = this.graph.initializers.get(name);
    return tensor && countOf(dimsOf(tensor)) === 1 ? toNumbers(this.graph, tensor)[0] : undefined;
  }

  /** The value [batch, tokens, heads x width] that heads [batch, heads, tokens, width] were made from. */
  source(name: string): string | undefined {
    const turn = this.#turn(name, [0, 2, 1, 3]);
    return turn === undefined ? undefined : this.#unsplit(turn);
  }

  /** The same for heads that were turned to [batch, heads, width, tokens], directly or in two moves. */
  turnedSource(name: string): string | undefined {
    const direct = this.#turn(name, [0, 2, 3, 1]);
    if (direct !== undefined) return this.#unsplit(direct);
    const heads = this.turnedHeads(name);
    return heads === undefined ? undefined : this.source(heads);
  }

  /** Heads before their last two axes were exchanged, with batch and heads as one axis or as two. */
  turnedHeads(name: string): string | undefined {
    const direct = this.#turn(name, [0, 1, 3, 2]);
    if (direct !== undefined) return direct;
    const apart = this.maker(name, 'Reshape')?.input[0];
    const turn = apart === undefined ? undefined : this.#turn(apart, [0, 2, 1]);
    const joined = turn === undefined ? undefined : this.maker(turn, 'Reshape')?.input[0];
    const [shape, before] = [this.shape(name), joined === undefined ? undefined : this.shape(joined)];
    if (joined === undefined || !shape || !before) return undefined;
    const [b, h, d, n] = shape;
    return before.join() === [b, h, n, d].join() ? joined : undefined;
  }

  #turn(name: string, perm: readonly number[]): string | undefined {
    const node = this.maker(name, 'Transpose');
    return node && intsAttribute(node, 'perm')?.join() === perm.join() ? node.input[0]! : undefined;
  }

  #unsplit(name: string): string | undefined {
    const from = this.maker(name, 'Reshape')?.input[0];
    const [b, n, h, d] = this.shape(name) ?? [];
    if (from === undefined || b === undefined) return undefined;
    return this.shape(from)?.join() === [b, n, h! * d!].join() ? from : undefined;
  }

  /** Where heads are laid side by side again and nothing else is done with them: the name of that value. */
  joined(name: string): string | undefined {
    const turn = this.only(name);
    if (turn?.opType !== 'Transpose' || intsAttribute(turn, 'perm')?.join() !== '0,2,1,3') return undefined;
    const flat = this.only(turn.output[0]!);
    const [b, h, n, d] = this.shape(name) ?? [];
    if (flat?.opType !== 'Reshape' || b === undefined) return undefined;
    const [output] = flat.output as [string];
    return this.shape(output)?.join() === [b, n, h! * d!].join() ? output : undefined;
  }
}

/** The nodes that take the place of an attention's last one. */
function fused(graph: Graph, finder: Finder, { q, k, turned, v, scale, output }: Attention): NodeProto[] {
  const nodes: NodeProto[] = [];
  const { type } = graph.types.get(q)!;
  const step = (operator: string, inputs: string[], shape: readonly number[], perm?: readonly bigint[]) => {
    const made = graph.makeNode(operator, inputs, { hint: 'attention', attributes: perm ? { perm } : {} });
    nodes.push(made);
    graph.types.set(made.output[0]!, { type, shape });
    return made.output[0]!;
  };
  const sizes = (shape: readonly number[]) =>
    graph.setInitializer(int64Tensor(graph.uniqueName('attention.shape'), [shape.length], shape));
  /** Heads side by side: [batch, tokens, heads x width]. */
  const flat = (name: string, perm: readonly bigint[]) => {
    const shape = finder.shape(name)!;
    const [b, n, h, d] = perm.map((axis) => shape[Number(axis)]!) as [number, number, number, number];
    const tokens = step('Transpose', [name], [b, n, h, d], perm);
    return step('Reshape', [tokens, sizes([b, n, h * d])], [b, n, h * d]);
  };
  const plain = [0n, 2n, 1n, 3n];
  const queries = finder.source(q) ?? flat(q, plain);
  const keys = turned
    ? (finder.turnedSource(k) ?? flat(k, [0n, 3n, 1n, 2n]))
    : (finder.source(k) ?? flat(k, plain));
  const values = finder.source(v) ?? flat(v, plain);
  const [b, h, n] = finder.shape(q) as [number, number, number, number];
  const d = finder.shape(v)![3]!;
  const joined = finder.joined(output);
  const attention = graph.makeNode('MultiHeadAttention', [queries, keys, values], {
    domain: 'com.microsoft',
    hint: `${output}.attention`,
    attributes: { num_heads: BigInt(h), scale },
    ...(joined === undefined ? {} : { outputs: [joined] }),
  });
  nodes.push(attention);
  const [result] = attention.output as [string];
  graph.types.set(result, { type, shape: [b, n, h * d] });
  if (joined !== undefined) return nodes;
  const apart = step('Reshape', [result, sizes([b, n, h, d])], [b, n, h, d]);
  nodes.push(graph.makeNode('Transpose', [apart], { outputs: [output], attributes: { perm: plain } }));
  return nodes;
}
