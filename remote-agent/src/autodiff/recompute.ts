import type { Graph } from '../onnx/graph.ts';
import type { NodeProto } from '../onnx/proto/onnx_pb.ts';
import { prune } from '../onnx/prune.ts';
import { countOf } from '../onnx/tensor-data.ts';
import { Emitter } from './emitter.ts';

/** What a division of the forward pass into segments costs in activations kept for the backward pass, bytes. */
export interface RecomputePlan {
  /** Positions in the forward node list where a new segment begins, ascending, without 0. */
  readonly cuts: readonly number[];
  /** Bytes that stay until the backward pass reaches them, and the most that one segment computes again. */
  readonly keptBytes: number;
  readonly segmentBytes: number;
}

/**
 * Trades time for memory (Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost"): divides the first
 * `forward` nodes of a graph into segments, keeps only what passes from one segment to a later one, and lets the
 * backward nodes read copies of the rest that are computed again just before they are needed. The copies read
 * their inputs plus 0 times gradients that must be there first: otherwise the runtime would merge them with the
 * originals or compute them too early. Values are those of the graph without it, unless a gradient is no number.
 * @param forward number of leading nodes that belong to the forward pass; all shapes known in `graph.types`
 */
export function recompute(graph: Graph, forward: number): RecomputePlan {
  const emit = new Emitter(graph);
  const nodes = [...graph.nodes];
  const uses = new Uses(graph, nodes, forward);
  const plan = choosePlan(uses, forward);
  const bounds = [0, ...plan.cuts, forward];
  const segments = bounds.slice(1).map((end, i) => copySegment(uses, nodes, bounds[i]!, end));

  const before = new Map<number, Copy[]>();
  for (const copy of segments) {
    if (!copy) continue;
    const list = before.get(copy.firstUse);
    if (list) list.push(copy);
    else before.set(copy.firstUse, [copy]);
  }
  const out = nodes.slice(0, forward);
  const renamed = new Map<string, string>();
  let token: string | undefined;
  let told = forward;
  for (let at = forward; at < nodes.length; at++) {
    for (const copy of before.get(at) ?? []) {
      graph.replaceNodes(out);
      token = gradientToken(emit, uses, nodes, told, at, token);
      told = at;
      if (token === undefined) continue;
      placeCopy(graph, emit, copy, token);
      for (const [from, to] of copy.renamed) renamed.set(from, to);
      out.splice(0, out.length, ...graph.nodes);
    }
    const node = nodes[at]!;
    node.input = node.input.map((name) => renamed.get(name) ?? name);
    out.push(node);
  }
  graph.replaceNodes(out);
  prune(graph);
  return plan;
}

/** Who makes and reads which value, by position in the node list. */
class Uses {
  readonly maker = new Map<string, number>();
  readonly lastForward = new Map<string, number>();
  readonly firstBackward = new Map<string, number>();
  readonly lastUse = new Map<string, number>();
  readonly #graph: Graph;
  readonly #constants: Set<string>;

  constructor(graph: Graph, nodes: readonly NodeProto[], forward: number) {
    this.#graph = graph;
    this.#constants = new Set(graph.initializers.keys());
    nodes.forEach((node, at) => {
      if (node.input.every((name) => !name || this.#constants.has(name)))
        for (const name of node.output) this.#constants.add(name);
      for (const name of node.output) if (name && !this.#constants.has(name)) this.maker.set(name, at);
      for (const name of node.input) {
        if (!name) continue;
        this.lastUse.set(name, at);
        if (at < forward) this.lastForward.set(name, at);
        else if (!this.firstBackward.has(name)) this.firstBackward.set(name, at);
      }
    });
    for (const { name } of graph.outputs) this.lastForward.set(name, forward);
  }

  bytes(name: string): number {
    const shape = this.#graph.types.get(name)?.shape ?? [];
    return shape.includes(undefined) ? 0 : 4 * countOf(shape as number[]);
  }

  /** Made from weights alone (stored halves as f32): as good as a weight, and made once. */
  isConstant(name: string): boolean {
    return this.#constants.has(name);
  }

  /** Forward values made in [start, end) that the backward pass reads and nothing forward behind `end` does. */
  inner(start: number, end: number): string[] {
    const found: string[] = [];
    for (const [name, made] of this.maker)
      if (
        made >= start &&
        made < end &&
        this.firstBackward.has(name) &&
        (this.lastForward.get(name) ?? 0) < end
      )
        found.push(name);
    return found;
  }
}

/**
 * Tries segments of several sizes, each ended where the fewest bytes cross. A segment counts twice: its gradients take
 * about as much as its activations.
 */
function choosePlan(uses: Uses, forward: number): RecomputePlan {
  const crossing = new Float64Array(forward + 1);
  const saved = new Float64Array(forward + 1);
  for (const [name, made] of uses.maker) {
    if (made >= forward) continue;
    const bytes = uses.bytes(name);
    const last = uses.lastForward.get(name) ?? made;
    for (let at = made + 1; at <= Math.min(last, forward - 1); at++) crossing[at] = crossing[at]! + bytes;
    if (uses.firstBackward.has(name)) saved[made] = saved[made]! + bytes;
  }
  const total = saved.reduce((a, b) => a + b, 0);
  let best: RecomputePlan = { cuts: [], keptBytes: 0, segmentBytes: total };
  for (let parts = 2; parts <= 64; parts = Math.ceil(parts * 1.4)) {
    const cuts: number[] = [];
    let sum = 0;
    let low: number | undefined;
    for (let at = 1; at < forward; at++) {
      sum += saved[at - 1]!;
      // From three quarters of a segment's share on, the narrowest place so far is remembered.
      if (sum >= (0.75 * total) / parts && (low === undefined || crossing[at]! < crossing[low]!)) low = at;
      if (sum >= total / parts && low !== undefined) {
        cuts.push(low);
        sum = 0;
        for (let back = low; back < at; back++) sum += saved[back]!;
        low = undefined;
      }
    }
    const plan = measure(uses, cuts, forward);
    if (plan.keptBytes + 2 * plan.segmentBytes < best.keptBytes + 2 * best.segmentBytes) best = plan;
  }
  return best;
}

function measure(uses: Uses, cuts: readonly number[], forward: number): RecomputePlan {
  const bounds = [0, ...cuts, forward];
  const sizes = new Float64Array(bounds.length - 1);
  let keptBytes = 0;
  for (const [name, made] of uses.maker) {
    if (made >= forward) continue;
    const segment = bounds.findIndex((b) => b > made) - 1;
    if ((uses.lastForward.get(name) ?? 0) >= bounds[segment + 1]!) keptBytes += uses.bytes(name);
    else if (uses.firstBackward.has(name)) sizes[segment] = sizes[segment]! + uses.bytes(name);
  }
  return { cuts, keptBytes, segmentBytes: sizes.reduce((a, b) => Math.max(a, b), 0) };
}

/** The part of a segment that the backward pass needs again. */
interface Copy {
  readonly nodes: readonly NodeProto[];
  readonly firstUse: number;
  readonly renamed: Map<string, string>;
  /** Values from before the segment that the copies read. */
  readonly entries: ReadonlySet<string>;
}

function copySegment(uses: Uses, nodes: readonly NodeProto[], start: number, end: number): Copy | undefined {
  const wanted = new Set(uses.inner(start, end));
  if (wanted.size === 0) return undefined;
  const firstUse = Math.min(...[...wanted].map((name) => uses.firstBackward.get(name)!));
  const picked: NodeProto[] = [];
  const entries = new Set<string>();
  const kept = (name: string) => (uses.lastForward.get(name) ?? 0) >= end;
  for (let at = end - 1; at >= start; at--) {
    const node = nodes[at]!;
    if (!node.output.some((name) => wanted.has(name))) continue;
    picked.push(node);
    for (const name of node.input) {
      if (!name || uses.isConstant(name)) continue;
      const made = uses.maker.get(name);
      // What stays in memory anyway is read, not computed again.
      if (made !== undefined && made >= start && !kept(name)) wanted.add(name);
      else entries.add(name);
    }
  }
  return { nodes: picked.reverse(), firstUse, renamed: new Map(), entries };
}

/** 0 times the sum of one element of every gradient that is alive before node `at`: f32[1]. */
function gradientToken(
  emit: Emitter,
  uses: Uses,
  nodes: readonly NodeProto[],
  from: number,
  at: number,
  earlier: string | undefined,
): string | undefined {
  const alive: string[] = [];
  for (let i = from; i < at; i++)
    for (const name of nodes[i]!.output)
      if (name && (uses.lastUse.get(name) ?? -1) >= at && emit.graph.types.get(name)?.type === 1)
        alive.push(name);
  if (alive.length === 0) return earlier;
  const token = emit.after(alive);
  return earlier === undefined ? token : emit.add(earlier, token);
}

function placeCopy(graph: Graph, emit: Emitter, copy: Copy, token: string): void {
  for (const name of copy.entries) {
    if (graph.types.get(name)?.type !== 1 || countOf(emit.shape(name)) === 0) continue;
    copy.renamed.set(name, emit.op('Add', [name, token], widened(emit.shape(name))));
  }
  const local = new Map(copy.renamed);
  copy.renamed.clear();
  for (const node of copy.nodes) {
    const made = graph.makeNode(
      node.opType,
      node.input.map((name) => local.get(name) ?? name),
      { domain: node.domain, hint: `${node.output[0]}.again`, outputs: node.output.filter(Boolean).length },
    );
    let i = 0;
    const outputs = made.output;
    made.output = node.output.map((name) => (name ? outputs[i++]! : ''));
    made.attribute = node.attribute;
    node.output.forEach((name, k) => {
      if (!name) return;
      const type = graph.types.get(name);
      if (type) graph.types.set(made.output[k]!, type);
      local.set(name, made.output[k]!);
      copy.renamed.set(name, made.output[k]!);
    });
    graph.push(made);
  }
}

/** Adding f32[1] makes a lone value a vector. */
const widened = (shape: readonly number[]) => (shape.length === 0 ? [1] : shape);
