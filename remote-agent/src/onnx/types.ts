import { create } from '@bufbuild/protobuf';
import {
  TensorProto_DataType as DataType,
  type TensorProto,
  TensorProto_DataLocation,
  TensorProtoSchema,
  type ValueInfoProto,
  ValueInfoProtoSchema,
} from './proto/onnx_pb.ts';

export { DataType };

/** Makes the declaration of a value; string dimensions are symbolic. */
export function valueInfo(name: string, type: DataType, shape: readonly (number | string)[]): ValueInfoProto {
  return create(ValueInfoProtoSchema, {
    name,
    type: {
      value: {
        case: 'tensorType',
        value: {
          elemType: type,
          shape: {
            dim: shape.map((d) =>
              typeof d === 'number'
                ? { value: { case: 'dimValue' as const, value: BigInt(d) } }
                : { value: { case: 'dimParam' as const, value: d } },
            ),
          },
        },
      },
    },
  });
}

/** An f32 tensor (little-endian raw data, copied). */
export function floatTensor(
  name: string,
  dims: readonly number[],
  data: readonly number[] | Float32Array,
): TensorProto {
  const values = data instanceof Float32Array ? data : Float32Array.from(data);
  return rawTensor(name, DataType.FLOAT, dims, new Uint8Array(values.slice().buffer));
}

const largest = 2n ** 63n - 1n;

/** An int64 tensor; numbers from 2^63 on become the largest int64. */
export function int64Tensor(name: string, dims: readonly number[], data: readonly number[]): TensorProto {
  return rawTensor(
    name,
    DataType.INT64,
    dims,
    new Uint8Array(BigInt64Array.from(data, (v) => (v >= 2 ** 63 ? largest : BigInt(v))).buffer),
  );
}

/** A tensor whose bytes lie in a file: `location` is relative to the folder of the graph's external data. */
export function externalTensor(
  name: string,
  dataType: DataType,
  dims: readonly number[],
  place: { readonly location: string; readonly offset: number; readonly length: number },
): TensorProto {
  return create(TensorProtoSchema, {
    ...{ name, dataType, dims: dims.map(BigInt), dataLocation: TensorProto_DataLocation.EXTERNAL },
    externalData: Object.entries(place).map(([key, value]) => ({ key, value: String(value) })),
  });
}

/** A tensor from little-endian bytes as they are. */
export function rawTensor(
  name: string,
  dataType: DataType,
  dims: readonly number[],
  raw: Uint8Array,
): TensorProto {
  return create(TensorProtoSchema, { name, dataType, dims: dims.map(BigInt), rawData: raw });
}
