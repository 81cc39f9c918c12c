import { ParaError } from '../common/errors.ts';
import { intAttribute, intsAttribute } from './attributes.ts';
import type { Graph } from './graph.ts';
import type { NodeProto } from './proto/onnx_pb.ts';
import { countOf, dimsOf, toFloat32 } from './tensor-data.ts';

/** A linear or convolution layer of an exported model, found in its graph. */
export interface Layer {
  /** Module path in diffusers, e.g. `down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q`. */
  readonly path: string;
  readonly kind: 'linear' | 'conv';
  /** Name of the node that multiplies by the weight. */
  readonly node: string;
  /** Initializer that holds the weight (possibly read through a Cast). */
  readonly weight: string;
  /** How the weight lies in the file. */
  readonly layout: 'in,out' | 'out,in' | 'conv';
  readonly dIn: number;
  readonly dOut: number;
  /** Height and width of a convolution's kernel; [1, 1] for a linear layer. */
  readonly kernel: readonly [number, number];
}

const scopesKey = 'pkg.torch.onnx.name_scopes';

/** Module path of a node: the exporter's metadata, its node name, or its weight's name, whichever there is. */
function modulePath(node: NodeProto, weight: string): string | undefined {
  const scopes = node.metadataProps.find((p) => p.key === scopesKey)?.value;
  if (scopes) {
    const names = [...scopes.matchAll(/'([^']*)'|"([^"]*)"/g)].map((m) => m[1] ?? m[2]!);
    const path = names.at(-2);
    if (path) return path.replace(/^model\./, '');
  }
  const named = /^\/(.+)\/(?:MatMul|Gemm|Conv)(?:_\d+)?(?:\/\w+)?$/.exec(node.name);
  if (named) return named[1]!.replaceAll('/', '.');
  return /^(?:unet\.|model\.)?(.+)\.weight$/.exec(weight)?.[1];
}

/** The initializer behind a value, through Cast, Identity and Transpose; `transposed` when an odd number of those. */
function weightOf(
  name: string,
  graph: Graph,
  producers: ReadonlyMap<string, NodeProto>,
): { name: string; transposed: boolean } | undefined {
  let transposed = false;
  let at = name;
  while (!graph.initializers.has(at)) {
    const node = producers.get(at);
    if (!node || !['Cast', 'Identity', 'Transpose', 'DequantizeLinear'].includes(node.opType))
      return undefined;
    if (node.opType === 'DequantizeLinear') return undefined;
    if (node.opType === 'Transpose') transposed = !transposed;
    at = node.input[0]!;
  }
  return { name: at, transposed };
}

/** All linear and convolution layers in graph order; works before and after `simplify`. */
export function findLayers(graph: Graph): { layers: Layer[]; unnamed: string[] } {
  const producers = graph.producers();
  const layers: Layer[] = [];
  const unnamed: string[] = [];
  for (const node of graph.nodes) {
    const isConv = node.opType === 'Conv';
    if (!isConv && node.opType !== 'MatMul' && node.opType !== 'Gemm') continue;
    const weight = weightOf(node.input[1]!, graph, producers);
    if (!weight) continue;
    const dims = dimsOf(graph.initializers.get(weight.name)!);
    if (dims.length !== (isConv ? 4 : 2)) continue;
    const path = modulePath(node, weight.name);
    if (path === undefined) {
      unnamed.push(node.name);
      continue;
    }
    if (isConv) {
      const group = intAttribute(node, 'group', 1);
      const [dOut, dIn, kh, kw] = dims as [number, number, number, number];
      layers.push({
        path,
        kind: 'conv',
        node: node.name,
        weight: weight.name,
        layout: 'conv',
        dIn: dIn * group,
        dOut,
        kernel: [kh, kw],
      });
      continue;
    }
    const flipped = (node.opType === 'Gemm' && intAttribute(node, 'transB', 0) === 1) !== weight.transposed;
    const [dIn, dOut] = (flipped ? [dims[1], dims[0]] : dims) as [number, number];
    const layout = flipped ? 'out,in' : 'in,out';
    layers.push({
      path,
      kind: 'linear',
      node: node.name,
      weight: weight.name,
      layout,
      dIn,
      dOut,
      kernel: [1, 1],
    });
  }
  return { layers, unnamed };
}

/** Weight of a layer as f32[dOut, dIn * kh * kw], whatever its layout in the file. */
export function readWeight(graph: Graph, layer: Layer): Float32Array {
  const tensor = graph.initializers.get(layer.weight);
  if (!tensor)
    throw new ParaError('graph', `The weight of ${layer.path} is not in the graph any more`, {
      where: layer.weight,
    });
  const values = toFloat32(graph, tensor);
  if (layer.layout !== 'in,out') return values;
  const { dIn, dOut } = layer;
  const out = new Float32Array(countOf([dIn, dOut]));
  for (let i = 0; i < dIn; i++) for (let o = 0; o < dOut; o++) out[o * dIn + i] = values[i * dOut + o]!;
  return out;
}

/** Strides of a convolution, [1, 1] by default. */
export const stridesOf = (node: NodeProto): number[] => intsAttribute(node, 'strides') ?? [1, 1];
