import type { LayerOperator, Method } from '../adapters/method.ts';
import { methodByName } from '../adapters/methods.ts';
import {
  type ActiveAdapter,
  attachSlots,
  checkStrength,
  composeSlots,
  type Slots,
  slotNames,
} from '../adapters/slots.ts';
import { ParaError } from '../common/errors.ts';
import type { Graph } from '../onnx/graph.ts';
import { findLayers } from '../onnx/modules.ts';
import { f32, type Tensor } from '../runtime/tensor.ts';

type Kind = LayerOperator['kind'];
type Ranks = ReadonlyMap<string, number>;

/** An adapter as a request names it. */
export interface AppliedAdapter {
  readonly operators: readonly LayerOperator[];
  readonly strength: number;
  /** Shown in messages. */
  readonly name?: string;
  /** Decides which strengths make sense; default the method whose kind of operator the adapter has. */
  readonly method?: Method;
}

function active(adapter: AppliedAdapter): ActiveAdapter {
  const projects = adapter.operators.some(({ kind }) => kind === 'projection');
  const { name = 'the adapter', method = methodByName(projects ? 'para' : 'lora') } = adapter;
  return { name, method, operators: adapter.operators, strength: adapter.strength };
}

/**
 * The room for adapters in one resident session. It only grows: adapters, strengths and their order change without a
 * new session as long as every layer has enough rank; more needs one rebuild. With no adapter yet there are no slots
 * and the graph stays as it is.
 */
export class AdapterSlots {
  #room: Record<Kind, Map<string, number>> = { projection: new Map(), addition: new Map() };
  #slots: Slots | undefined;
  #composed: { key: readonly AppliedAdapter[]; feeds: Record<string, Tensor> } | undefined;

  /**
   * Makes room for adapters that will apply together.
   * @returns whether the session must be built again
   * @throws ParaError `settings` for a strength that its method does not have
   */
  reserve(adapters: readonly AppliedAdapter[]): boolean {
    for (const { method, strength, name } of adapters.map(active)) checkStrength(method, strength, name);
    const needed = ranksTogether(adapters);
    let grown = false;
    for (const kind of ['projection', 'addition'] as const)
      for (const [path, rank] of needed[kind])
        if (rank > (this.#room[kind].get(path) ?? 0)) {
          this.#room[kind].set(path, rank);
          grown = true;
        }
    return grown;
  }

  /** Ranks by layer, projections then additions: sessions of the same room are built alike. */
  room(): readonly (readonly [string, number])[][] {
    const { projection, addition } = this.#room;
    return [projection, addition].map((ranks) => [...ranks].sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  /** What to do to a U-Net graph so that it has this room; nothing when no room is needed. */
  edit(): ((graph: Graph) => void) | undefined {
    const { projection, addition } = this.#room;
    this.#slots = undefined;
    this.#composed = undefined;
    if (projection.size === 0 && addition.size === 0) return undefined;
    return (graph) => {
      const { layers } = findLayers(graph);
      const known = new Set(layers.map((layer) => layer.path));
      const missing = [...projection.keys(), ...addition.keys()].find((path) => !known.has(path));
      if (missing !== undefined)
        throw new ParaError('adapter', `The base has no layer ${missing}`, {
          where: missing,
          hint: 'the adapter was made for another base',
        });
      this.#slots = attachSlots(graph, layers, {
        projectionRank: ({ path }) => projection.get(path) ?? 0,
        additionRank: ({ path }) => addition.get(path) ?? 0,
      });
    };
  }

  /** Feeds for the session that was built after `edit`. */
  feeds(adapters: readonly AppliedAdapter[]): Record<string, Tensor> {
    if (!this.#slots) return {};
    if (this.#composed?.key === adapters) return this.#composed.feeds;
    const { projections, additions } = composeSlots(this.#slots, adapters.map(active));
    const feeds: Record<string, Tensor> = {};
    if (projections.length > 0) feeds[slotNames.projections] = f32([projections.length], projections);
    if (additions.length > 0) feeds[slotNames.additions] = f32([additions.length], additions);
    this.#composed = { key: adapters, feeds };
    return feeds;
  }
}

function ranksTogether(adapters: readonly AppliedAdapter[]): Record<Kind, Ranks> {
  const totals = { projection: new Map<string, number>(), addition: new Map<string, number>() };
  for (const { operators } of adapters)
    for (const { kind, path, rank } of operators)
      totals[kind].set(path, (totals[kind].get(path) ?? 0) + rank);
  return totals;
}
