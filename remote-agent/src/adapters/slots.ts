import { ParaError } from '../common/errors.ts';
import type { Graph } from '../onnx/graph.ts';
import { DataType } from '../onnx/types.ts';
import { addToOutput, projectOutput } from './low-rank.ts';
import type { LayerOperator, Method, TargetLayer } from './method.ts';
import { addScaled, dot } from './orthonormal.ts';
import { transposed } from './plan.ts';
import { Rewiring } from './rewiring.ts';

/** Inputs that carry the adapters of a resident session, f32 vectors. */
export const slotNames = { projections: 'para.projections', additions: 'para.additions' } as const;

/** Room that one layer keeps for adapters. */
export interface SlotLayer extends Required<Omit<TargetLayer, 'node'>> {
  readonly projectionRank: number;
  readonly additionRank: number;
  readonly projectionOffset: number;
  readonly additionOffset: number;
}

/** The room that a session was built with. */
export interface Slots {
  readonly layers: ReadonlyMap<string, SlotLayer>;
  /** Lengths of the two input vectors; an input of length 0 does not exist. */
  readonly projectionCount: number;
  readonly additionCount: number;
}

/** Ranks to keep room for in a layer, the same everywhere or layer by layer (0: none). */
export interface SlotRanks {
  readonly projectionRank: number | ((layer: TargetLayer) => number);
  readonly additionRank: number | ((layer: TargetLayer) => number);
}

/**
 * Rewires layers of a forward graph, in place, to `y = y0 - (y0 U) V + (x A) B` (`y0` before the bias), with U, V
 * in the graph input `para.projections` and A, B in `para.additions`. All zero is the base itself. Changing what is
 * fed changes adapters and strengths without building anything again.
 */
export function attachSlots(graph: Graph, layers: readonly TargetLayer[], ranks: SlotRanks): Slots {
  const placed = new Map<string, SlotLayer>();
  const uses = new Map<string, string[]>();
  let projectionCount = 0;
  let additionCount = 0;
  const rankOf = (rank: SlotRanks[keyof SlotRanks], layer: TargetLayer) =>
    typeof rank === 'number' ? rank : rank(layer);
  for (const layer of layers) {
    const { path, kind, dIn, dOut, kernel = [1, 1] } = layer;
    uses.set(path, [...(uses.get(path) ?? []), layer.node]);
    if (placed.has(path)) continue;
    const projectionRank = rankOf(ranks.projectionRank, layer);
    const additionRank = rankOf(ranks.additionRank, layer);
    if (projectionRank === 0 && additionRank === 0) continue;
    placed.set(path, {
      ...{ path, kind, dIn, dOut, kernel, projectionRank, additionRank },
      projectionOffset: projectionCount,
      additionOffset: additionCount,
    });
    projectionCount += 2 * dOut * projectionRank;
    additionCount += additionRank * (dIn * kernel[0] * kernel[1] + dOut);
  }
  if (projectionCount > 0) graph.addInput(slotNames.projections, DataType.FLOAT, [projectionCount]);
  if (additionCount > 0) graph.addInput(slotNames.additions, DataType.FLOAT, [additionCount]);
  const rewiring = new Rewiring(graph);
  for (const layer of placed.values()) attachLayer(rewiring, layer, uses.get(layer.path)!);
  rewiring.finish();
  return { layers: placed, projectionCount, additionCount };
}

function attachLayer(rewiring: Rewiring, layer: SlotLayer, nodes: readonly string[]): void {
  const { path, kind, dIn, dOut, kernel, projectionRank, additionRank } = layer;
  const sites = nodes.map((node) => rewiring.open(node));
  const type = sites[0]!.type?.type ?? DataType.FLOAT;
  const part = (input: string, offset: number, dims: readonly number[], name: string) =>
    rewiring.part(input, offset, dims, `${path}.slot_${name}`, type);
  rewiring.openStart();
  const conv = kind === 'conv';
  let project = ['', ''];
  if (projectionRank > 0) {
    const { projectionOffset: at } = layer;
    const wide = part(slotNames.projections, at, [dOut, projectionRank], 'wide');
    const flat = part(slotNames.projections, at + dOut * projectionRank, [projectionRank, dOut], 'flat');
    project = [wide, flat];
  }
  let add = ['', ''];
  if (additionRank > 0) {
    const { additionOffset: at } = layer;
    const middle = at + additionRank * dIn * kernel[0] * kernel[1];
    const a = conv ? [additionRank, dIn, ...kernel] : [dIn, additionRank];
    const b = conv ? [dOut, additionRank] : [additionRank, dOut];
    add = [part(slotNames.additions, at, a, 'a'), part(slotNames.additions, middle, b, 'b')];
  }
  for (const site of sites) {
    rewiring.resume(site);
    let y = site.y;
    if (projectionRank > 0) {
      const last = additionRank === 0 ? site.output : undefined;
      y = projectOutput(rewiring, site, { ...layer, rank: projectionRank }, project[0]!, project[1]!, last);
    }
    if (additionRank > 0)
      addToOutput(rewiring, { ...site, y }, { ...layer, rank: additionRank }, add[0]!, add[1]!, site.output);
  }
}

/** An adapter as generation uses it. */
export interface ActiveAdapter {
  /** Shown in messages. */
  readonly name: string;
  readonly method: Method;
  readonly operators: readonly LayerOperator[];
  readonly strength: number;
}

/** @throws ParaError `settings` where a strength makes no sense for the method; the message says why */
export function checkStrength(method: Method, strength: number, name: string): void {
  const { minimum, maximum, because } = method.strength;
  if (!Number.isFinite(strength) || strength < minimum || strength > maximum)
    throw new ParaError(
      'settings',
      `The strength ${strength} of ${name} is not between ${minimum} and ${maximum}`,
      {
        where: 'strength',
        hint: because || 'give an ordinary number',
      },
    );
}

/** Least room per layer that holds all these adapters at once, as `attachSlots` takes it. */
export function ranksFor(adapters: readonly (readonly LayerOperator[])[]): SlotRanks {
  const totals = { projection: new Map<string, number>(), addition: new Map<string, number>() };
  for (const { kind, path, rank } of adapters.flat())
    totals[kind].set(path, (totals[kind].get(path) ?? 0) + rank);
  return {
    projectionRank: ({ path }) => totals.projection.get(path) ?? 0,
    additionRank: ({ path }) => totals.addition.get(path) ?? 0,
  };
}

/**
 * The input vectors for these adapters. Projections come first, one after another in the order given,
 * `(I - s2 P2)(I - s1 P1)` as one low-rank pair; then all additions are summed.
 * @throws ParaError `adapter` when a layer has no room for them, `settings` for a strength out of range
 */
export function composeSlots(
  slots: Slots,
  adapters: readonly ActiveAdapter[],
): { projections: Float32Array; additions: Float32Array } {
  const projections = new Float32Array(slots.projectionCount);
  const additions = new Float32Array(slots.additionCount);
  const byLayer = new Map<string, { operator: LayerOperator; strength: number; name: string }[]>();
  for (const { name, method, operators, strength } of adapters) {
    checkStrength(method, strength, name);
    for (const operator of operators) {
      const list = byLayer.get(operator.path) ?? [];
      list.push({ operator, strength, name });
      byLayer.set(operator.path, list);
    }
  }
  for (const [path, list] of byLayer) {
    const layer = slots.layers.get(path);
    const names = [...new Set(list.map(({ name }) => name))].join(', ');
    if (!layer)
      throw new ParaError('adapter', `${names} adapts the layer ${path}, for which the session has no room`, {
        where: path,
        hint: 'build the session with this layer among its slots',
      });
    const pairs: Pair[] = [];
    let additionRank = 0;
    for (const { operator, strength, name } of list) {
      if (
        operator.dOut !== layer.dOut ||
        (operator.kind === 'addition' && inputs(operator) !== inputs(layer))
      )
        throw new ParaError('adapter', `${name} does not fit the layer ${path} of this base`, {
          where: path,
          hint: 'it was made for another base',
        });
      if (operator.kind === 'projection') appendProjection(pairs, operator.basis, operator, strength);
      else {
        if (additionRank + operator.rank <= layer.additionRank)
          placeAddition(additions, layer, operator, additionRank, strength);
        additionRank += operator.rank;
      }
    }
    if (pairs.length > layer.projectionRank || additionRank > layer.additionRank)
      throw new ParaError(
        'adapter',
        `${names}: the ranks of the layer ${path} exceed what the session has room for`,
        {
          where: path,
          hint: `projections ${pairs.length} of ${layer.projectionRank}, additions ${additionRank} of ${layer.additionRank}; use fewer adapters or build the session with more room`,
        },
      );
    placeProjections(projections, layer, pairs);
  }
  return { projections, additions };
}

const inputs = ({ dIn, kernel }: { dIn: number; kernel: readonly [number, number] }) =>
  dIn * kernel[0] * kernel[1];

/** One column of `C` and of `D` in the operator `I - C D^T`. */
interface Pair {
  readonly c: Float64Array;
  readonly d: Float64Array;
}

/** `(I - s Q Q^T)(I - C D^T) = I - C D^T - (s Q)(Q - D C^T Q)^T`: appends the columns of the new term. */
function appendProjection(
  pairs: Pair[],
  basis: Float64Array,
  { dOut, rank }: { dOut: number; rank: number },
  strength: number,
): void {
  const before = [...pairs];
  for (let k = 0; k < rank; k++) {
    const q = Float64Array.from({ length: dOut }, (_, i) => basis[i * rank + k]!);
    const d = q.slice();
    for (const pair of before) addScaled(d, pair.d, -dot(pair.c, q));
    pairs.push({ c: q.map((x) => x * strength), d });
  }
}

/** Linear layers multiply rows, `y - (y D) C^T`; convolutions columns, `y - C (D^T y)`. */
function placeProjections(target: Float32Array, layer: SlotLayer, pairs: readonly Pair[]): void {
  const { dOut, projectionRank: room, projectionOffset: wide } = layer;
  const flat = wide + dOut * room;
  for (const [k, { c, d }] of pairs.entries())
    for (let i = 0; i < dOut; i++) {
      target[wide + i * room + k] = layer.kind === 'conv' ? c[i]! : d[i]!;
      target[flat + k * dOut + i] = layer.kind === 'conv' ? d[i]! : c[i]!;
    }
}

function placeAddition(
  target: Float32Array,
  layer: SlotLayer,
  operator: LayerOperator & { kind: 'addition' },
  first: number,
  strength: number,
): void {
  const { dOut, additionRank: room, additionOffset, kind } = layer;
  const width = inputs(layer);
  const { rank, down, up } = operator;
  const factor = strength * operator.scale;
  const middle = additionOffset + room * width;
  const scaled = up.map((x) => x * factor);
  if (kind === 'conv') {
    target.set(down, additionOffset + first * width);
    for (let o = 0; o < dOut; o++)
      for (let k = 0; k < rank; k++) target[middle + o * room + first + k] = scaled[o * rank + k]!;
    return;
  }
  for (let i = 0; i < width; i++)
    for (let k = 0; k < rank; k++) target[additionOffset + i * room + first + k] = down[k * width + i]!;
  target.set(transposed(scaled, dOut, rank), middle + first * dOut);
}
