import { create } from '@bufbuild/protobuf';
import { ParaError } from '../common/errors.ts';
import { type AttributeValue, attribute } from './attributes.ts';
import {
  type GraphProto,
  type ModelProto,
  type NodeProto,
  NodeProtoSchema,
  OperatorSetIdProtoSchema,
  type TensorProto,
  type ValueInfoProto,
} from './proto/onnx_pb.ts';
import { type DataType, valueInfo } from './types.ts';

/** Element type and shape of a value; `undefined` dimensions are not known yet. */
export interface ValueType {
  readonly type: DataType;
  readonly shape: readonly (number | undefined)[];
}

export interface NodeOptions {
  readonly attributes?: Readonly<Record<string, AttributeValue>>;
  readonly domain?: string;
  /** Names of the outputs, or how many to make; default 1. */
  readonly outputs?: readonly string[] | number;
  /** Start of the names of node and outputs. */
  readonly hint?: string;
}

/**
 * An editable view of one ONNX graph over its protobuf: `proto` stays the only store of nodes, initializers and
 * unknown fields; this class adds unique names, lookups and checked edits. Sub-graphs (If, Loop) are not entered.
 */
export class Graph {
  readonly model: ModelProto;
  /** Folder against which external data of the initializers is resolved; `undefined` for a graph in memory. */
  readonly directory: string | undefined;
  /** Known element types and shapes, filled by `inferTypes`; keys are value names. */
  readonly types = new Map<string, ValueType>();
  /** Values that must not be computed in half precision, by name. */
  readonly exact = new Set<string>();
  readonly #names = new Set<string>();
  readonly #counters = new Map<string, number>();
  readonly #initializers = new Map<string, TensorProto>();

  constructor(model: ModelProto, directory?: string) {
    if (!model.graph) throw new ParaError('model-file', 'The ONNX file holds no graph');
    this.model = model;
    this.directory = directory;
    const { node, initializer, input, output } = model.graph;
    for (const tensor of initializer) {
      this.#initializers.set(tensor.name, tensor);
      this.#names.add(tensor.name);
    }
    for (const value of [...input, ...output]) this.#names.add(value.name);
    for (const n of node) {
      this.#names.add(n.name);
      for (const name of n.output) this.#names.add(name);
    }
  }

  get proto(): GraphProto {
    return this.model.graph!;
  }

  /** The nodes in topological order; edit through `replaceNodes`, `add` and `insert`. */
  get nodes(): readonly NodeProto[] {
    return this.proto.node;
  }

  get inputs(): readonly ValueInfoProto[] {
    return this.proto.input;
  }

  get outputs(): readonly ValueInfoProto[] {
    return this.proto.output;
  }

  get initializers(): ReadonlyMap<string, TensorProto> {
    return this.#initializers;
  }

  /** Opset version of the default domain (or another); 0 when not imported. */
  opset(domain = ''): number {
    const found = this.model.opsetImport.find((o) => (o.domain === 'ai.onnx' ? '' : o.domain) === domain);
    return Number(found?.version ?? 0n);
  }

  /** Imports `domain` at `version`, or raises/lowers an existing import. */
  setOpset(version: number, domain = ''): void {
    const found = this.model.opsetImport.find((o) => (o.domain === 'ai.onnx' ? '' : o.domain) === domain);
    if (found) found.version = BigInt(version);
    else this.model.opsetImport.push(create(OperatorSetIdProtoSchema, { domain, version: BigInt(version) }));
  }

  /** A name that no node and no value of this graph has: `hint`, or `hint_1`, `hint_2`, ... */
  uniqueName(hint: string): string {
    let name = hint;
    let n = this.#counters.get(hint) ?? 0;
    while (this.#names.has(name)) name = `${hint}_${++n}`;
    this.#counters.set(hint, n);
    this.#names.add(name);
    return name;
  }

  /** Makes a node (unique names) without placing it. */
  makeNode(op: string, inputs: readonly string[], options: NodeOptions = {}): NodeProto {
    const hint = options.hint ?? op;
    const wanted = options.outputs ?? 1;
    const outputs =
      typeof wanted === 'number'
        ? Array.from({ length: wanted }, (_, i) => this.uniqueName(i === 0 ? hint : `${hint}.${i}`))
        : wanted.map((name) => {
            this.#names.add(name);
            return name;
          });
    return create(NodeProtoSchema, {
      name: this.uniqueName(`${hint}/${op}`),
      opType: op,
      domain: options.domain ?? '',
      input: [...inputs],
      output: [...outputs],
      attribute: Object.entries(options.attributes ?? {}).map(([key, value]) => attribute(key, value)),
    });
  }

  /** Appends a node at the end and returns its first output. */
  add(op: string, inputs: readonly string[], options: NodeOptions = {}): string {
    const node = this.makeNode(op, inputs, options);
    this.proto.node.push(node);
    return node.output[0]!;
  }

  /** Appends ready-made nodes (from `makeNode`). */
  push(...nodes: readonly NodeProto[]): void {
    for (const node of nodes) this.proto.node.push(node);
  }

  /** Replaces the whole node list; the caller keeps topological order (see `sortTopologically`). */
  replaceNodes(nodes: readonly NodeProto[]): void {
    this.proto.node = [...nodes];
  }

  /** Adds or replaces an initializer; `tensor.name` must be unique (use `uniqueName`) or the one to replace. */
  setInitializer(tensor: TensorProto): string {
    const { initializer } = this.proto;
    if (this.#initializers.has(tensor.name)) {
      const at = initializer.findIndex((t) => t.name === tensor.name);
      initializer[at] = tensor;
    } else initializer.push(tensor);
    this.#initializers.set(tensor.name, tensor);
    this.#names.add(tensor.name);
    return tensor.name;
  }

  /** Drops initializers by name. */
  removeInitializers(names: ReadonlySet<string>): void {
    if (names.size === 0) return;
    this.proto.initializer = this.proto.initializer.filter((t) => !names.has(t.name));
    for (const name of names) this.#initializers.delete(name);
  }

  /** Declares a graph input and records its type. */
  addInput(name: string, type: DataType, shape: readonly (number | string)[]): string {
    this.#names.add(name);
    this.proto.input.push(valueInfo(name, type, shape));
    this.types.set(name, { type, shape: shape.map((d) => (typeof d === 'number' ? d : undefined)) });
    return name;
  }

  /** Declares an existing value as graph output (type and shape as far as known). */
  addOutput(name: string, type: DataType, shape: readonly (number | string)[]): string {
    this.proto.output.push(valueInfo(name, type, shape));
    return name;
  }

  /** Replaces the list of graph outputs. */
  setOutputs(outputs: readonly ValueInfoProto[]): void {
    this.proto.output = [...outputs];
  }

  /** Map from value name to the node that makes it; computed now, not kept. */
  producers(): Map<string, NodeProto> {
    const map = new Map<string, NodeProto>();
    for (const node of this.nodes) for (const name of node.output) if (name) map.set(name, node);
    return map;
  }

  /** Map from value name to the nodes that read it, in order; computed now, not kept. */
  consumers(): Map<string, NodeProto[]> {
    const map = new Map<string, NodeProto[]>();
    for (const node of this.nodes)
      for (const name of new Set(node.input)) {
        if (!name) continue;
        const list = map.get(name);
        if (list) list.push(node);
        else map.set(name, [node]);
      }
    return map;
  }
}
