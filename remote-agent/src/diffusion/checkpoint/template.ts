import { basename, dirname } from 'node:path';
import { ParaError } from '../../common/errors.ts';
import { tensorAttribute } from '../../onnx/attributes.ts';
import type { Graph } from '../../onnx/graph.ts';
import { decodeGraph } from '../../onnx/io.ts';
import { type NodeProto, type TensorProto, TensorProto_DataLocation } from '../../onnx/proto/onnx_pb.ts';
import { DataType, externalTensor, floatTensor, int64Tensor, valueInfo } from '../../onnx/types.ts';
import { readPacked } from './packed.ts';
import type { KnownArchitecture } from './recognise.ts';

export type PartName = 'unet' | 'text_encoder' | 'text_encoder_2' | 'vae_encoder' | 'vae_decoder';

/** Where the weight of a graph lies. */
export interface WeightPlace {
  /** Absolute path of a file that is no link. */
  readonly file: string;
  readonly dtype: string;
  readonly dims: readonly number[];
  readonly offset: number;
  readonly length: number;
  /** The matrix lies as [in, out] instead of [out, in]. */
  readonly transposed?: boolean;
}

/** Sizes of inputs and outputs by name and axis. */
export type PortSizes = Readonly<Record<string, Readonly<Record<number, number>>>>;

/** A constant of a template whose value follows from widths. */
interface Hole {
  readonly node: string;
  readonly kind: 'count' | 'frequencies';
  /** A weight's axis, or the width of each of the six embeddings of time_ids. */
  readonly of: readonly [string, number] | 'time';
  readonly divisor: number;
}

const holesKey = 'para.holes';
const types: Readonly<Record<string, DataType>> = {
  ...{ F64: DataType.DOUBLE, F32: DataType.FLOAT, F16: DataType.FLOAT16, BF16: DataType.BFLOAT16 },
};

/** The graph of a part without its weights: every weight is an initializer of its own, under diffusers' name. */
export function openTemplate(architecture: KnownArchitecture, part: PartName): Graph {
  const name = `${architecture}.${part}.onnx`;
  return decodeGraph(readPacked(name), undefined, name);
}

/** Names of the weights that a template asks for. */
export const templateWeights = (graph: Graph): string[] =>
  [...graph.initializers.values()]
    .filter((tensor) => tensor.dataLocation === TensorProto_DataLocation.EXTERNAL)
    .map((tensor) => tensor.name);

/**
 * Makes a template the graph of one model, in place: its weights point to where they lie, what follows from widths is
 * filled in. Weights that are not f32 are cast to it in the graph.
 * @param ports sizes of axes of inputs and outputs that follow from widths
 * @param time width of each of the six embeddings of time_ids, in a U-Net that has them
 * @returns the folder that the locations are relative to
 */
export function pointWeights(
  graph: Graph,
  places: ReadonlyMap<string, WeightPlace>,
  ports: PortSizes,
  time = 0,
): string {
  const folders = new Set([...places.values()].map(({ file }) => dirname(file)));
  const [folder] = folders;
  if (folder === undefined || folders.size > 1)
    throw new ParaError('base', 'The weights of one part lie in more than one folder', {
      where: [...folders].join(', '),
      hint: 'put the files into one folder',
    });
  const casts = templateWeights(graph).flatMap((name) =>
    pointWeight(graph, graph.initializers.get(name)!, places.get(name)!),
  );
  for (const node of graph.nodes)
    if (node.opType === 'Transpose' && places.get(node.input[0]!)?.transposed) {
      node.opType = 'Identity';
      node.attribute = [];
    }
  graph.replaceNodes([...casts, ...graph.nodes]);
  fillHoles(graph, places, time);
  setPorts(graph, ports);
  return folder;
}

/** @returns the Cast that gives the weight as f32, where it is stored otherwise */
function pointWeight(graph: Graph, { name, dims }: TensorProto, place: WeightPlace): NodeProto[] {
  const type = types[place.dtype];
  if (type === undefined)
    throw new ParaError('base', `The weight ${name} is stored as ${place.dtype}`, {
      where: place.file,
      hint: 'use a checkpoint with F32, F16 or BF16 weights',
    });
  const { file, offset, length } = place;
  const stored = type === DataType.FLOAT ? name : graph.uniqueName(`${name}.stored`);
  if (stored !== name) graph.removeInitializers(new Set([name]));
  const location = { location: basename(file), offset, length };
  graph.setInitializer(externalTensor(stored, type, fitted(place, dims.length, name), location));
  if (stored === name) return [];
  return [graph.makeNode('Cast', [stored], { outputs: [name], attributes: { to: BigInt(DataType.FLOAT) } })];
}

/** Dimensions with as many axes as the graph wants: 1x1 convolutions and linear layers are stored as one another. */
function fitted({ dims, file }: WeightPlace, rank: number, name: string): readonly number[] {
  const result =
    dims.length > rank
      ? dims.filter((size, axis) => axis < 2 || size !== 1)
      : [...dims, ...new Array<number>(rank - dims.length).fill(1)];
  if (result.length === rank) return result;
  throw new ParaError('base', `The weight ${name} has the shape [${dims.join(', ')}]`, {
    where: file,
    hint: `it should have ${rank} axes: the checkpoint is of another architecture than it seems`,
  });
}

function fillHoles(graph: Graph, places: ReadonlyMap<string, WeightPlace>, time: number): void {
  const { metadataProps } = graph.model;
  const holes = JSON.parse(metadataProps.find(({ key }) => key === holesKey)?.value ?? '[]') as Hole[];
  const nodes = new Map(graph.nodes.map((node) => [node.name, node]));
  for (const { node, kind, of, divisor } of holes) {
    const size = of === 'time' ? time : (places.get(of[0])?.dims[of[1]] ?? 0);
    const count = Math.floor(size / divisor);
    const constant = nodes.get(node)!;
    const { name, dims } = tensorAttribute(constant, 'value')!;
    constant.attribute[0]!.t =
      kind === 'count'
        ? int64Tensor(name, dims.map(Number), [count])
        : floatTensor(
            name,
            dims.map((d) => (d === 1n ? 1 : count)),
            frequencies(count),
          );
  }
  graph.model.metadataProps = metadataProps.filter(({ key }) => key !== holesKey);
}

/** Angular frequencies of the sinusoidal embedding, rounded as PyTorch rounds them. */
function frequencies(count: number): Float32Array {
  const top = Math.fround(-Math.log(10000));
  return Float32Array.from({ length: count }, (_, i) => Math.exp(Math.fround(Math.fround(top * i) / count)));
}

function setPorts(graph: Graph, ports: PortSizes): void {
  for (const list of [graph.proto.input, graph.proto.output])
    for (const [at, port] of list.entries()) {
      const sizes = ports[port.name];
      const type = port.type?.value;
      if (!sizes || type?.case !== 'tensorType') continue;
      const dims = (type.value.shape?.dim ?? []).map(
        ({ value }, axis) =>
          sizes[axis] ?? (value.case === 'dimValue' ? Number(value.value) : (value.value ?? `${axis}`)),
      );
      list[at] = valueInfo(port.name, type.value.elemType, dims);
    }
}
