import { type AdapterPlan, type Method, preparationNames as names } from '../adapters/method.ts';
import type { Graph } from '../onnx/graph.ts';
import { insertGraph } from '../onnx/insert-graph.ts';
import { DataType, valueInfo } from '../onnx/types.ts';
import { stepNames } from './step-graph.ts';

/**
 * Lets a finished step graph read an adapter's parameters f32[n] and give the gradient in those, in place: what makes the
 * coefficients of them, and what takes their gradient back, becomes part of it. A device that computes in f64 need not
 * wait for the processor then, and nothing else crosses the bus.
 * @returns false where the parameters are the coefficients: the graph stays as it is
 */
export function takeParameters(graph: Graph, method: Method, plan: AdapterPlan): boolean {
  const prepare = method.prepareGraph?.(plan);
  if (!prepare) return false;
  const { coefficients, parameters, gradient, parametersGradient } = stepNames;
  graph.proto.input = graph.proto.input.filter(({ name }) => name !== coefficients);
  graph.addInput(parameters, DataType.FLOAT, [plan.parameterCount]);
  const kept = graph.uniqueName('para.kept');
  const made = [
    [names.parameters, parameters],
    [names.kept, kept],
  ] as const;
  insertGraph(graph, prepare, 'before', new Map([...made, [names.coefficients, coefficients]]));
  const pullback = method.pullbackGraph?.(plan);
  if (!pullback || !graph.outputs.some(({ name }) => name === gradient)) return true;
  const read = [names.coefficientsGradient, gradient] as const;
  const given = [names.parametersGradient, parametersGradient] as const;
  insertGraph(graph, pullback, 'behind', new Map([...made, read, given]));
  graph.setOutputs([
    ...graph.outputs.filter(({ name }) => name !== gradient),
    valueInfo(parametersGradient, DataType.FLOAT, [plan.parameterCount]),
  ]);
  return true;
}
