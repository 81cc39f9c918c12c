import { type AttributeValue, floatAttribute, intAttribute } from './attributes.ts';
import type { Graph } from './graph.ts';
import type { NodeProto } from './proto/onnx_pb.ts';
import { DataType, floatTensor, int64Tensor } from './types.ts';

/** Bytes of f32 probabilities from which on they are computed in blocks of queries, and the most blocks. */
const probabilityBytes = 2 ** 25;
const mostBlocks = 8;

/**
 * Rewrites the fused attention of `fuseAttention` back to products with a softmax between, for devices whose kernel of it
 * is not to be trusted. Queries are taken in up to eight blocks, so that no value of size tokens x tokens is larger than
 * need be, and no operator binds more than eight values. Shapes must be known in `graph.types`.
 * @returns how many were rewritten
 */
export function plainAttention(graph: Graph): number {
  let count = 0;
  const nodes = graph.nodes.flatMap((node) => {
    const isFused = node.opType === 'MultiHeadAttention' && node.domain === 'com.microsoft';
    const written = isFused ? plain(graph, node) : undefined;
    if (written) count++;
    return written ?? [node];
  });
  if (count > 0) graph.replaceNodes(nodes);
  return count;
}

/** The nodes that compute what one fused node does; `undefined` where it does more than `fuseAttention` asks of it. */
function plain(graph: Graph, node: NodeProto): NodeProto[] | undefined {
  const [q, k, v, ...more] = node.input as [string, string, string, ...string[]];
  const known = [q, k, v].map((name) => graph.types.get(name));
  const extra = more.some((name) => name !== '') || node.output.slice(1).some((name) => name !== '');
  const shapes = known.map((type) => type?.shape);
  if (extra || shapes.some((shape) => shape?.length !== 3 || shape.includes(undefined))) return undefined;
  const heads = intAttribute(node, 'num_heads', 1);
  const [[batch, queries, width], [, keys], [, , valueWidth]] = shapes as [number[], number[], number[]] as [
    [number, number, number],
    [number, number],
    [number, number, number],
  ];
  const { type } = known[0]!;
  const given = floatAttribute(node, 'scale', 0);
  const scale = given === 0 ? Math.sqrt(heads / width) : given;
  const nodes: NodeProto[] = [];
  const add = (
    operator: string,
    inputs: readonly string[],
    shape: readonly number[],
    attributes: Readonly<Record<string, AttributeValue>> = {},
  ): string => {
    const made = graph.makeNode(operator, inputs, { hint: `${node.output[0]}.plain`, attributes });
    nodes.push(made);
    graph.types.set(made.output[0]!, { type, shape });
    return made.output[0]!;
  };
  const ints = (values: readonly number[]) =>
    graph.setInitializer(int64Tensor(graph.uniqueName('attention.ints'), [values.length], values));
  /** Heads of f[batch, tokens, heads x width], their axes in this order. */
  const apart = (name: string, tokens: number, wide: number, perm: readonly bigint[]) => {
    const sizes = [batch, tokens, heads, wide / heads];
    const split = add('Reshape', [name, ints(sizes)], sizes);
    return add(
      'Transpose',
      [split],
      perm.map((axis) => sizes[Number(axis)]!),
      { perm },
    );
  };
  const factor = graph.setInitializer(floatTensor(graph.uniqueName('attention.scale'), [], [scale]));
  const lone = type === DataType.FLOAT ? factor : add('Cast', [factor], [], { to: BigInt(type) });
  const scaled = add(
    'Mul',
    [apart(q, queries, width, [0n, 2n, 1n, 3n]), lone],
    [batch, heads, queries, width / heads],
  );
  const turned = apart(k, keys, width, [0n, 2n, 3n, 1n]);
  const values = apart(v, keys, valueWidth, [0n, 2n, 1n, 3n]);
  const blocks = Math.min(
    mostBlocks,
    queries,
    Math.ceil((4 * batch * heads * queries * keys) / probabilityBytes),
  );
  const rows = Math.ceil(queries / blocks);
  const parts: string[] = [];
  for (let start = 0; start < queries; start += rows) {
    const n = Math.min(rows, queries - start);
    const block =
      n === queries
        ? scaled
        : add(
            'Slice',
            [scaled, ints([start]), ints([start + n]), ints([2])],
            [batch, heads, n, width / heads],
          );
    const scores = add('MatMul', [block, turned], [batch, heads, n, keys]);
    const p = add('Softmax', [scores], [batch, heads, n, keys], { axis: -1n });
    parts.push(add('MatMul', [p, values], [batch, heads, n, valueWidth / heads]));
  }
  const whole = [batch, heads, queries, valueWidth / heads];
  const result = parts.length === 1 ? parts[0]! : add('Concat', parts, whole, { axis: 2n });
  const joined = add('Transpose', [result], [batch, queries, heads, valueWidth / heads], {
    perm: [0n, 2n, 1n, 3n],
  });
  const sizes = ints([batch, queries, valueWidth]);
  nodes.push(
    graph.makeNode('Reshape', [joined, sizes], {
      hint: `${node.output[0]}.plain`,
      outputs: [node.output[0]!],
    }),
  );
  return nodes;
}
