import type { Graph } from '../onnx/graph.ts';
import { encodeGraph } from '../onnx/io.ts';
import { narrow } from '../onnx/narrow.ts';
import { plainAttention } from '../onnx/plain-attention.ts';
import { deviceByName } from './device.ts';
import { createSession, type Session, type SessionOptions } from './session.ts';

/**
 * Loads an edited graph, changed in place before to what its device computes rightly: types of its values must be known
 * (see `simplify`).
 * @throws ParaError as `createSession`
 */
export function createGraphSession(graph: Graph, options: SessionOptions = {}): Promise<Session> {
  const { fusedAttention, coarse, tensorsPerNode } = deviceByName(options.device ?? 'cpu');
  if (!fusedAttention) plainAttention(graph);
  if (tensorsPerNode !== undefined) narrow(graph, tensorsPerNode);
  const leave = graph.nodes.filter(({ opType }) => coarse.includes(opType)).map(({ name }) => name);
  return createSession(encodeGraph(graph), { ...options, leaveToCpu: leave });
}
