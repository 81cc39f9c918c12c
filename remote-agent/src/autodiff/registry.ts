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

/** A node as it stands, before any gradient is made. */
export interface NodeContext {
  readonly node: NodeProto;
  /** For shapes and constants; `Supports` appends nothing. */
  readonly emit: Emitter;
  /** Which inputs lie on a path from a parameter; rules may skip the others. */
  readonly needs: readonly boolean[];
}

export interface RuleContext extends NodeContext {
  /** Gradient of each output; `undefined` where the loss does not depend on it. */
  readonly outputs: readonly (string | undefined)[];
  /** The node that makes a value, if one does. */
  producer(name: string): NodeProto | undefined;
  /** The nodes that read a value before any gradient is made. */
  consumers(name: string): readonly NodeProto[];
}

/** Gradients of a node's inputs from those of its outputs. */
export type GradientRule = (context: RuleContext) => InputGradient[];

/** Why the rule cannot take this node ("its mode is cubic"), or nothing when it can. */
export type Supports = (context: NodeContext) => string | undefined;

const rules = new Map<string, { rule: GradientRule; supports: Supports | undefined }>();

/**
 * Registers one rule for some operators: ONNX operators by name, others as `domain.Operator`. `supports` is asked
 * about every node on the path before anything is appended, so that a form without a gradient is told like an
 * operator without one.
 */
export function register(operators: readonly string[], rule: GradientRule, supports?: Supports): void {
  for (const operator of operators) rules.set(operator, { rule, supports });
}

/** An operator's name, with its domain where that is not ONNX's own. */
export const operatorOf = (node: NodeProto): string =>
  node.domain === '' || node.domain === 'ai.onnx' ? node.opType : `${node.domain}.${node.opType}`;

export const ruleFor = (operator: string): GradientRule | undefined => rules.get(operator)?.rule;

/** Whether a node's gradient can be made: `undefined` if so, else the reason (empty: its operator has no rule). */
export function reasonAgainst(context: NodeContext): string | undefined {
  const found = rules.get(operatorOf(context.node));
  return found ? found.supports?.(context) : '';
}

/** Operators whose outputs (truth values, positions, shapes) do not change with small changes of their inputs. */
export const stepwiseOperators: ReadonlySet<string> = new Set([
  ...['Equal', 'Greater', 'GreaterOrEqual', 'Less', 'LessOrEqual', 'Not', 'And', 'Or', 'IsNaN'],
  ...['Shape', 'Size', 'ArgMax', 'ArgMin', 'ConstantOfShape', 'Range'],
]);

/** Operators that have a rule. */
export const ruledOperators = (): string[] => [...rules.keys()].sort();
