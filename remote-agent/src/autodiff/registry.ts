import type { NodeProto } from '../onnx/proto/onnx_pb.ts';
import type { Emitter } from './emitter.ts';

/** A gradient that covers only `[start, end)` along one axis; the rest of that input gets nothing from it. */
export interface PartialGradient {
  readonly value: string;
  readonly axis: number;
  readonly start: number;
  readonly end: number;
}

/** Gradient of one input: a value of the input's shape, a part of it, or nothing. */
export type InputGradient = string | PartialGradient | undefined;

export interface RuleContext {
  readonly node: NodeProto;
  readonly emit: Emitter;
  /** Gradient of each output; `undefined` where the loss does not depend on it. */
  readonly outputs: readonly (string | undefined)[];
  /** Which inputs lie on a path from a parameter; rules may skip the others. */
  readonly needs: readonly boolean[];
  /** The node that makes a value, if one does. */
  producer(name: string): NodeProto | undefined;
}

/** Gradients of a node's inputs from those of its outputs. */
export type GradientRule = (context: RuleContext) => InputGradient[];

const rules = new Map<string, GradientRule>();

/** Registers one rule for some operators (default ONNX domain and com.microsoft share names). */
export function register(operators: readonly string[], rule: GradientRule): void {
  for (const operator of operators) rules.set(operator, rule);
}

export const ruleFor = (operator: string): GradientRule | undefined => rules.get(operator);

/** Operators whose outputs (truth values, positions, shapes) do not change with small changes of their inputs. */
export const stepwiseOperators: ReadonlySet<string> = new Set([
  ...['Equal', 'Greater', 'GreaterOrEqual', 'Less', 'LessOrEqual', 'Not', 'And', 'Or', 'IsNaN'],
  ...['Shape', 'Size', 'ArgMax', 'ArgMin', 'ConstantOfShape', 'Range'],
]);

/** Operators that have a rule. */
export const ruledOperators = (): string[] => [...rules.keys()].sort();
