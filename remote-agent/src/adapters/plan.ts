import { ParaError } from '../common/errors.ts';
import type {
  AdapterPlan,
  FloatTensor,
  MethodName,
  MethodSettings,
  PlannedLayer,
  TargetLayer,
} from './method.ts';

/** Rank and number of parameters that a method gives to a layer. */
export interface Share {
  readonly rank: number;
  readonly length: number;
}

/** A target whose optional fields are filled. */
export type FullLayer = Required<TargetLayer>;

/**
 * Lays the chosen layers out in one flat vector. Layers of one output width and rank lie side by side, so that
 * preparation handles them as one batch; the order is otherwise that of the graph.
 * @throws ParaError `settings` when no layer is chosen
 */
export function layOut(
  method: MethodName,
  targets: readonly TargetLayer[],
  share: (layer: FullLayer) => Share,
  extra: { scale?: number; init?: 'normal' | 'kaiming' } = {},
): AdapterPlan {
  if (targets.length === 0)
    throw new ParaError('settings', 'No layer of the base is chosen for adapting', {
      where: 'layers',
      hint: 'use the preset "attention", or a pattern that matches module paths of this base',
    });
  const byPath = new Map<string, { layer: FullLayer; nodes: string[] }>();
  for (const target of targets) {
    const found = byPath.get(target.path);
    if (found) found.nodes.push(target.node);
    else
      byPath.set(target.path, {
        layer: { ...target, kernel: target.kernel ?? [1, 1] },
        nodes: [target.node],
      });
  }
  const groups = new Map<string, (Omit<PlannedLayer, 'offset'> & Share)[]>();
  for (const { layer, nodes } of byPath.values()) {
    const { rank, length } = share(layer);
    const { path, kind, dIn, dOut, kernel } = layer;
    const key = `${dOut}:${rank}`;
    const group = groups.get(key) ?? [];
    group.push({ path, kind, dIn, dOut, kernel, nodes, rank, length });
    groups.set(key, group);
  }
  let offset = 0;
  const layers: PlannedLayer[] = [];
  for (const layer of [...groups.values()].flat()) {
    layers.push({ ...layer, offset });
    offset += layer.length;
  }
  return {
    method,
    layers,
    scale: extra.scale ?? 1,
    init: extra.init ?? 'normal',
    parameterCount: offset,
    coefficientCount: offset,
  };
}

/** @throws ParaError `settings` when a setting outside `known` is given: it belongs to another method */
export function refuseForeign(method: MethodName, settings: MethodSettings, known: readonly string[]): void {
  for (const [key, value] of Object.entries(settings))
    if (value !== undefined && !known.includes(key))
      throw new ParaError('settings', `The method ${method} has no setting "${key}"`, {
        where: key,
        hint: `it has: ${known.join(', ')}`,
      });
}

/** @throws ParaError `settings` unless `value` is a whole number of at least 1 */
export function checkRank(value: number): void {
  if (!Number.isInteger(value) || value < 1)
    throw new ParaError('settings', `The rank ${value} is not a whole number of at least 1`, {
      where: 'rank',
    });
}

/** The tensor of that name and shape. @throws ParaError `adapter` when it is not there or has another shape */
export function takeTensor(
  tensors: ReadonlyMap<string, FloatTensor>,
  name: string,
  dims: readonly number[],
): Float32Array {
  const found = tensors.get(name);
  if (!found)
    throw new ParaError('adapter', `The adapter holds no tensor ${name}`, {
      hint: 'it was made for other layers; choose the layers it was trained with',
    });
  if (found.dims.join() !== dims.join())
    throw new ParaError('adapter', `The tensor ${name} has the shape [${found.dims}] instead of [${dims}]`, {
      hint: 'it was made for another base or another rank',
    });
  return found.data;
}

/** `matrix` f32[rows, columns] as f32[columns, rows]. */
export function transposed(matrix: Float32Array, rows: number, columns: number): Float32Array {
  const out = new Float32Array(matrix.length);
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < columns; j++) out[j * rows + i] = matrix[i * columns + j]!;
  return out;
}

/** Whether so many values of an adapter are worth waking threads for, where the processor works on them. */
export const worthThreads = (values: number): boolean => values >= 2 ** 20;
