import { attribute, intAttribute } from '../onnx/attributes.ts';
import type { Graph } from '../onnx/graph.ts';
import type { NodeProto } from '../onnx/proto/onnx_pb.ts';
import { countOf } from '../onnx/tensor-data.ts';
import { Emitter } from './emitter.ts';

const unary = new Set(['Gelu', 'Erf', 'Sigmoid', 'Tanh', 'Relu', 'Neg', 'Exp', 'Sqrt', 'Abs']);
const binary = new Set(['Add', 'Sub', 'Mul', 'Div']);
const reshaping = new Set(['Reshape', 'Flatten', 'Squeeze', 'Unsqueeze', 'Identity']);

/**
 * Rewrites what works on the last axis alone - linear layers, norms, activations, cuts along that axis - to work on
 * matrices [rows, last axis]: a linear layer is then one Gemm, with what is added to it as its third operand, and so is
 * its gradient; values are reshaped only where heads and pixels need axes of their own. Names of layers' nodes stay.
 * All shapes are known in `graph.types`.
 */
export function asRows(graph: Graph): void {
  const pass = new RowPass(graph);
  for (const node of graph.nodes) pass.visit(node);
  pass.finish();
}

class RowPass {
  readonly #graph: Graph;
  readonly #emit: Emitter;
  readonly #producers: ReadonlyMap<string, NodeProto>;
  readonly #readers: ReadonlyMap<string, readonly NodeProto[]>;
  readonly #outputs: ReadonlySet<string>;
  /** A value as a matrix, by the value's name. */
  readonly #rows = new Map<string, string>();
  /** Values that exist as matrices alone, so far. */
  readonly #open = new Set<string>();
  /** Products to which nothing has been added yet and that only one operator reads, by their matrix. */
  readonly #products = new Map<string, NodeProto>();
  #nodes: NodeProto[] = [];

  constructor(graph: Graph) {
    this.#graph = graph;
    this.#emit = new Emitter(graph);
    this.#producers = graph.producers();
    this.#readers = graph.consumers();
    this.#outputs = new Set(graph.outputs.map((output) => output.name));
  }

  visit(node: NodeProto): void {
    if (node.domain !== '' || !this.#byRows(node)) {
      for (const name of new Set(node.input)) this.#whole(name);
      this.#nodes.push(node);
    }
    for (const name of node.output) if (this.#outputs.has(name)) this.#whole(name);
  }

  finish(): void {
    this.#graph.replaceNodes(this.#nodes);
  }

  #shape(name: string): number[] {
    return this.#emit.shape(name);
  }

  #byRows(node: NodeProto): boolean {
    const [x, other] = node.input as [string, string | undefined];
    switch (node.opType) {
      case 'MatMul':
        if (this.#shape(x).length < 3 || this.#shape(other!).length !== 2) return false;
        this.#product(node, x, other!);
        return true;
      case 'LayerNormalization':
        if (this.#shape(x).length < 3 || !this.#isLast(x, intAttribute(node, 'axis', -1))) return false;
        this.#like(node, [this.#matrix(x), ...node.input.slice(1)], { axis: -1n });
        return true;
      case 'Split':
        if (!this.#rows.has(x) || !this.#isLast(x, intAttribute(node, 'axis', 0))) return false;
        this.#like(node, [this.#matrix(x), ...node.input.slice(1)], { axis: 1n });
        return true;
      case 'Slice': {
        const axes = node.input[3] ? this.#emit.constantValues(node.input[3]) : undefined;
        if (!this.#rows.has(x) || axes?.length !== 1 || !this.#isLast(x, axes[0]!)) return false;
        const [from, to, , step] = node.input.slice(1) as string[];
        this.#like(node, [this.#matrix(x), from!, to!, this.#emit.ints([1]), ...(step ? [step] : [])]);
        return true;
      }
    }
    if (unary.has(node.opType) && this.#rows.has(x)) this.#like(node, [this.#matrix(x)]);
    else if (binary.has(node.opType)) return this.#pair(node);
    else if (reshaping.has(node.opType) && this.#open.has(x)) this.#reshaped(node, x);
    else return false;
    return true;
  }

  #isLast(name: string, axis: number): boolean {
    const rank = this.#shape(name).length;
    return axis === -1 || axis === rank - 1;
  }

  /** Two values of one shape, or one and a row (or a lone number). */
  #pair(node: NodeProto): boolean {
    const [y] = node.output as [string];
    const shape = this.#shape(y);
    if (shape.length < 3 || !node.input.some((name) => this.#rows.has(name))) return false;
    const full = node.input.map((name) => this.#shape(name).join() === shape.join());
    const fits = node.input.every((name, i) => {
      const dims = this.#shape(name);
      return full[i] || (dims.length < 3 && countOf(dims) === (dims.at(-1) ?? 1));
    });
    if (!fits) return false;
    const operands = node.input.map((name, i) => (full[i] ? this.#matrix(name) : name));
    if (!this.#summed(node, operands)) this.#like(node, operands);
    return true;
  }

  /** x W as a matrix product; a transposed W is read as it lies. */
  #product(node: NodeProto, x: string, w: string): void {
    const turned = this.#producers.get(w);
    const transposed = turned?.opType === 'Transpose';
    const inputs = [this.#matrix(x), transposed ? turned.input[0]! : w];
    const made = this.#make(node, 'Gemm', inputs, transposed ? { transB: 1n } : {});
    const [y] = node.output as [string];
    if (this.#readers.get(y)?.length === 1 && !this.#outputs.has(y))
      this.#products.set(made.output[0]!, made);
  }

  /** Adds the other operand of a sum, or what the product is taken from, within the product. */
  #summed(node: NodeProto, operands: readonly string[]): boolean {
    const [a, b] = operands as [string, string];
    const known = node.opType === 'Add' ? [b, a] : node.opType === 'Sub' ? [b] : [];
    const found = known.filter((name) => this.#products.has(name) && a !== b);
    const order = (name: string) => this.#nodes.indexOf(this.#products.get(name)!);
    const last = found.sort((p, q) => order(q) - order(p))[0];
    if (last === undefined) return false;
    const product = this.#products.get(last)!;
    this.#products.delete(last);
    this.#nodes = this.#nodes.filter((one) => one !== product);
    product.input.push(last === b ? a : b);
    if (node.opType === 'Sub') product.attribute.push(attribute('alpha', -1));
    this.#nodes.push(product);
    const [y] = node.output as [string];
    this.#rows.set(y, last);
    this.#open.add(y);
    return true;
  }

  #reshaped(node: NodeProto, x: string): void {
    const [y] = node.output as [string];
    const matrix = this.#rows.get(x)!;
    if (this.#shape(y).length > 2 && this.#shape(y).at(-1) === this.#shape(matrix)[1]) {
      this.#rows.set(y, matrix);
      this.#open.add(y);
    } else this.#reshape(matrix, this.#shape(y), y);
  }

  /** The node on matrices; its outputs are open. */
  #like(node: NodeProto, inputs: readonly string[], attributes: Record<string, bigint> = {}): void {
    const made = this.#make(node, node.opType, inputs, attributes);
    made.attribute.push(...node.attribute.filter(({ name }) => !(name in attributes)));
  }

  #make(
    node: NodeProto,
    type: string,
    inputs: readonly string[],
    attributes: Record<string, bigint>,
  ): NodeProto {
    const used = node.output.filter(Boolean);
    const outputs = used.map((name) => this.#graph.uniqueName(`${name}.rows`));
    const made = this.#graph.makeNode(type, inputs, { outputs, attributes });
    made.name = node.name;
    used.forEach((name, i) => {
      const shape = this.#shape(name);
      const matrix = [countOf(shape.slice(0, -1)), shape.at(-1)!];
      this.#graph.types.set(outputs[i]!, { ...this.#graph.types.get(name)!, shape: matrix });
      this.#rows.set(name, outputs[i]!);
      this.#open.add(name);
    });
    this.#nodes.push(made);
    return made;
  }

  #matrix(name: string): string {
    const found = this.#rows.get(name);
    if (found !== undefined) return found;
    const shape = this.#shape(name);
    let source = name;
    for (let at = this.#producers.get(name); at && reshaping.has(at.opType); at = this.#producers.get(source))
      source = at.input[0]!;
    const dims = [countOf(shape.slice(0, -1)), shape.at(-1)!];
    const known = this.#rows.get(source);
    const matrix =
      known !== undefined && this.#shape(known).join() === dims.join()
        ? known
        : this.#reshape(known ?? source, dims, this.#graph.uniqueName(`${name}.rows`));
    this.#rows.set(name, matrix);
    return matrix;
  }

  /** Makes an open value exist under its own name and shape. */
  #whole(name: string): void {
    if (!this.#open.delete(name)) return;
    this.#reshape(this.#rows.get(name)!, this.#shape(name), name);
  }

  #reshape(source: string, shape: readonly number[], name: string): string {
    const graph = this.#graph;
    graph.types.set(name, { ...graph.types.get(source)!, shape });
    this.#nodes.push(graph.makeNode('Reshape', [source, this.#emit.ints(shape)], { outputs: [name] }));
    return name;
  }
}
