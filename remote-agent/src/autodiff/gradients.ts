import type { Graph } from '../onnx/graph.ts';
import { Emitter } from './emitter.ts';
import { findObstacles, gradientPath, obstacleError } from './path.ts';
import { type InputGradient, operatorOf, type PartialGradient, ruleFor } from './registry.ts';
import './rules/index.ts';

/**
 * Reverse-mode automatic differentiation as a graph transformation (Griewank & Walther, "Evaluating Derivatives",
 * ch. 3): appends ordinary nodes that compute the gradient of the scalar `loss` in each of `parameters` (graph
 * inputs). Only nodes on a path from a parameter to the loss are differentiated.
 * @param scale f32[] that all gradients are multiplied by; left out: 1
 * @returns the name of each parameter's gradient (same shape as the parameter)
 * @throws ParaError `no-gradient` before anything is appended, listing every operator without a rule and how the first
 *   is reached
 */
export function gradients(
  graph: Graph,
  loss: string,
  parameters: readonly string[],
  scale?: string,
): Map<string, string> {
  const path = gradientPath(graph, [loss], parameters);
  const obstacles = findObstacles(graph, path);
  if (obstacles.length > 0) throw obstacleError(obstacles);
  const producers = graph.producers();
  const consumers = graph.consumers();
  const emit = new Emitter(graph);
  const grads = new Map<string, Exclude<InputGradient, undefined>[]>();
  grads.set(loss, [scale ?? emit.scalar(1)]);
  for (const node of [...path.nodes].reverse()) {
    const outputs = node.output.map((name) => total(emit, name, grads.get(name)));
    if (outputs.every((o) => o === undefined)) continue;
    const needs = node.input.map((name) => path.dependent.has(name));
    const rule = ruleFor(operatorOf(node))!;
    const context = {
      node,
      emit,
      outputs,
      needs,
      producer: (name: string) => producers.get(name),
      consumers: (name: string) => consumers.get(name) ?? [],
    };
    const exact = node.output.some((name) => graph.exact.has(name));
    const found = exact ? emit.exactly(() => rule(context)) : rule(context);
    node.input.forEach((name, i) => {
      const gradient = found[i];
      if (gradient === undefined || !needs[i]) return;
      const list = grads.get(name);
      if (list) list.push(gradient);
      else grads.set(name, [gradient]);
    });
  }
  return new Map(
    parameters.map((name) => [name, total(emit, name, grads.get(name)) ?? emit.zeros(emit.shape(name))]),
  );
}

/** Sum of all contributions to a value's gradient. */
function total(
  emit: Emitter,
  name: string,
  contributions: readonly Exclude<InputGradient, undefined>[] | undefined,
): string | undefined {
  if (!contributions || contributions.length === 0) return undefined;
  const whole = contributions.filter((c) => typeof c === 'string');
  const parts = contributions.filter((c) => typeof c !== 'string');
  if (parts.length > 0) whole.push(...assemble(emit, emit.shape(name), parts));
  return emit.sum(whole);
}

/** Lays disjoint parts of one axis side by side, with zeros in the gaps; overlapping parts become several values. */
function assemble(emit: Emitter, shape: readonly number[], parts: readonly PartialGradient[]): string[] {
  const out: string[] = [];
  const axes = new Set(parts.map((p) => p.axis));
  for (const axis of axes) {
    let rest = parts.filter((p) => p.axis === axis).sort((a, b) => a.start - b.start);
    while (rest.length > 0) {
      const later: PartialGradient[] = [];
      const row: string[] = [];
      let at = 0;
      const gap = (end: number) => {
        if (end > at) row.push(emit.zeros(shape.map((d, i) => (i === axis ? end - at : d))));
      };
      for (const part of rest) {
        if (part.start < at) {
          later.push(part);
          continue;
        }
        gap(part.start);
        row.push(part.value);
        at = part.end;
      }
      gap(shape[axis]!);
      out.push(emit.concat(row, axis));
      rest = later;
    }
  }
  return out;
}
