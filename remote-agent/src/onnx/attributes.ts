import { create } from '@bufbuild/protobuf';
import {
  type AttributeProto,
  AttributeProtoSchema,
  AttributeProto_AttributeType as Kind,
  type NodeProto,
  type TensorProto,
} from './proto/onnx_pb.ts';

/** Integers are given as bigint, reals as number, so that `1` never becomes the wrong kind. */
export type AttributeValue = bigint | number | string | readonly bigint[] | readonly number[] | TensorProto;

const utf8 = new TextEncoder();

/** Makes an attribute; an empty list is a list of integers. */
export function attribute(name: string, value: AttributeValue): AttributeProto {
  if (typeof value === 'bigint') return create(AttributeProtoSchema, { name, type: Kind.INT, i: value });
  if (typeof value === 'number') return create(AttributeProtoSchema, { name, type: Kind.FLOAT, f: value });
  if (typeof value === 'string')
    return create(AttributeProtoSchema, { name, type: Kind.STRING, s: utf8.encode(value) });
  if (!Array.isArray(value))
    return create(AttributeProtoSchema, { name, type: Kind.TENSOR, t: value as TensorProto });
  if (typeof value[0] === 'number')
    return create(AttributeProtoSchema, { name, type: Kind.FLOATS, floats: [...(value as number[])] });
  return create(AttributeProtoSchema, { name, type: Kind.INTS, ints: [...(value as bigint[])] });
}

const find = (node: NodeProto, name: string) => node.attribute.find((a) => a.name === name);

/** An integer attribute, or its default. */
export function intAttribute(node: NodeProto, name: string, fallback: number): number {
  const found = find(node, name);
  return found ? Number(found.i) : fallback;
}

/** A list of integers, or `undefined` when absent. */
export function intsAttribute(node: NodeProto, name: string): number[] | undefined {
  return find(node, name)?.ints.map(Number);
}

/** A real attribute, or its default. */
export function floatAttribute(node: NodeProto, name: string, fallback: number): number {
  return find(node, name)?.f ?? fallback;
}

/** A string attribute, or its default. */
export function stringAttribute(node: NodeProto, name: string, fallback: string): string {
  const found = find(node, name);
  return found ? new TextDecoder().decode(found.s) : fallback;
}

/** A tensor attribute, or `undefined`. */
export function tensorAttribute(node: NodeProto, name: string): TensorProto | undefined {
  return find(node, name)?.t;
}
