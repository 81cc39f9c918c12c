import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create, toBinary } from '@bufbuild/protobuf';
import { afterAll, describe, expect, it } from 'vitest';
import { ParaError } from '../../src/common/errors.ts';
import { loadGraph, newGraph } from '../../src/onnx/io.ts';
import {
  ModelProtoSchema,
  StringStringEntryProtoSchema,
  TensorProto_DataLocation,
  TensorProtoSchema,
} from '../../src/onnx/proto/onnx_pb.ts';
import { DataType, valueInfo } from '../../src/onnx/types.ts';
import { goldenPath } from '../training/golden.ts';

const folder = mkdtempSync(join(tmpdir(), 'para-broken-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The ParaError that loading these bytes ends with. */
function failure(bytes: Uint8Array): ParaError {
  const path = join(folder, 'model.onnx');
  writeFileSync(path, bytes);
  try {
    loadGraph(path);
  } catch (error) {
    if (error instanceof ParaError) return error;
    throw error;
  }
  throw new Error('loaded without an error');
}

/** A model whose only weight, f32[4], lies in another file. */
function withExternalWeight(location: string, length = 16): Uint8Array {
  const graph = newGraph('external');
  const entry = (key: string, value: string) => create(StringStringEntryProtoSchema, { key, value });
  graph.addInput('x', DataType.FLOAT, [4]);
  graph.setInitializer(
    create(TensorProtoSchema, {
      name: 'w',
      dims: [4n],
      dataType: DataType.FLOAT,
      dataLocation: TensorProto_DataLocation.EXTERNAL,
      externalData: [entry('location', location), entry('length', String(length))],
    }),
  );
  graph.push(graph.makeNode('Add', ['x', 'w'], { outputs: ['y'] }));
  graph.setOutputs([valueInfo('y', DataType.FLOAT, [4])]);
  return toBinary(ModelProtoSchema, graph.model);
}

describe('a damaged model file is refused by name', () => {
  const whole = new Uint8Array(readFileSync(goldenPath('bases/tiny-dynamo/unet/model.onnx')));

  it.each([0, 1, 100, whole.length >> 1, whole.length - 1])('when it ends after %d bytes', (length) => {
    const error = failure(whole.slice(0, length));
    expect(error.code).toBe('model-file');
    expect(error.where).toContain('model.onnx');
  });

  it('when it is no model at all', () => {
    expect(failure(new TextEncoder().encode('<html>not found</html>')).code).toBe('model-file');
  });
});

describe('weights outside the model file', () => {
  it.each(['../weights.bin', '/etc/hostname', 'a/../../weights.bin', ''])(
    'are not read from "%s"',
    (location) => {
      const error = failure(withExternalWeight(location));
      expect(error.code).toBe('model-file');
      expect(error.message).toContain('w');
    },
  );

  it('are missed by name where their file is not there', () => {
    const error = failure(withExternalWeight('nowhere.bin'));
    expect(error.code).toBe('model-file');
    expect(`${error.message} ${error.where}`).toContain('nowhere.bin');
  });

  it('are missed by name where their file ends too early', () => {
    writeFileSync(join(folder, 'short.bin'), new Uint8Array(8));
    const error = failure(withExternalWeight('short.bin'));
    expect(error.code).toBe('model-file');
    expect(`${error.message} ${error.where}`).toContain('short.bin');
  });

  it('are refused where their length is not what the shape needs', () => {
    writeFileSync(join(folder, 'long.bin'), new Uint8Array(64));
    expect(failure(withExternalWeight('long.bin', 64)).code).toBe('model-file');
  });

  it('are taken where all of them are there', () => {
    writeFileSync(join(folder, 'right.bin'), new Uint8Array(16));
    const path = join(folder, 'whole.onnx');
    writeFileSync(path, withExternalWeight('right.bin'));
    expect(loadGraph(path).initializers.has('w')).toBe(true);
  });
});
