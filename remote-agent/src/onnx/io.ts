import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { ParaError } from '../common/errors.ts';
import { writeFileAtomic } from '../common/files.ts';
import { Graph } from './graph.ts';
import { ModelProtoSchema } from './proto/onnx_pb.ts';
import { checkExternalData } from './tensor-data.ts';

/** Newest operator set of the default domain that the runtime takes (onnxruntime-node 1.30). */
export const newestOpset = 26;

/** Decodes an ONNX file. @throws ParaError `model-file` for bytes that are no whole ONNX model */
export function decodeGraph(bytes: Uint8Array, directory?: string, where = 'model'): Graph {
  let graph: Graph;
  // A Buffer's own slice() shares memory; tensors need the plain kind.
  const plain = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  try {
    graph = new Graph(fromBinary(ModelProtoSchema, plain), directory);
  } catch (cause) {
    throw new ParaError('model-file', 'This is not a whole ONNX file', {
      where,
      hint: 'it is damaged or cut off; download or export it again',
      cause,
    });
  }
  if (graph.nodes.length === 0 || graph.outputs.length === 0)
    throw new ParaError('model-file', 'The ONNX file holds no operators', {
      where,
      hint: 'it is damaged or not a model; download or export it again',
    });
  return graph;
}

/** An ONNX file, and the folder of its external data where that is another than its own. */
export interface ModelPlace {
  readonly path: string;
  readonly weights?: string;
}

/** Reads an ONNX file; external data stays where it is, but must be there in full. */
export function loadGraph(model: string | ModelPlace): Graph {
  const { path, weights }: ModelPlace = typeof model === 'string' ? { path: model } : model;
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(path);
  } catch (cause) {
    throw new ParaError('model-file', 'The ONNX file cannot be read', {
      where: path,
      hint: 'check the path and its permissions',
      cause,
    });
  }
  const graph = decodeGraph(bytes, weights ?? dirname(path), path);
  checkExternalData(graph);
  return graph;
}

/** The model as bytes; external data is only referred to. */
export function encodeGraph(graph: Graph): Uint8Array {
  return toBinary(ModelProtoSchema, graph.model);
}

/** Writes the model in one step. */
export function saveGraph(graph: Graph, path: string): void {
  writeFileAtomic(path, encodeGraph(graph));
}

/** An empty graph to build in. */
export function newGraph(name: string, opset = 18): Graph {
  const model = create(ModelProtoSchema, {
    irVersion: 9n,
    producerName: 'para-studio',
    opsetImport: [{ domain: '', version: BigInt(opset) }],
    graph: { name },
  });
  return new Graph(model);
}
