import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { openBase } from '../../src/diffusion/base.ts';
import { checkBase } from '../../src/diffusion/base-check.ts';
import { importBase, listBases } from '../../src/diffusion/base-import.ts';
import { ClipTokenizer } from '../../src/diffusion/tokenizer.ts';
import { encodeGraph, loadGraph } from '../../src/onnx/io.ts';
import { DataType } from '../../src/onnx/types.ts';

const golden = join(import.meta.dirname, '../golden/bases');
const scratch = mkdtempSync(join(tmpdir(), 'para-base-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

let copy: string;
let n = 0;
beforeEach(() => {
  copy = join(scratch, `copy-${n++}`);
  cpSync(join(golden, 'tiny-optimum'), copy, { recursive: true });
  process.env.PARA_HOME = join(scratch, `home-${n}`);
});

describe.each(['tiny-optimum', 'tiny-dynamo'])('the base %s', (name) => {
  it('is checked part by part without a problem, and every layer has its module path', async () => {
    const report = await checkBase(join(golden, name), { threads: 1 });
    expect(report.problems).toEqual([]);
    expect(report.parts.map((p) => p.name)).toEqual([
      ...['text_encoder', 'text_encoder_2', 'unet', 'vae_encoder', 'vae_decoder'],
    ]);
    expect(report.layers!.unnamed).toEqual([]);
    expect(report.layers!.presets.attention).toBeGreaterThan(0);
    expect(report.memory!.training).toBeGreaterThan(report.memory!.unetWeights);
  });
});

describe('opening a base', () => {
  it.each([
    'unet',
    'text_encoder',
    'text_encoder_2',
    'vae_encoder',
    'vae_decoder',
    'tokenizer_2',
    'scheduler',
  ])('names the part that is missing: %s', (part) => {
    rmSync(join(copy, part), { recursive: true });
    expect(() => openBase(copy)).toThrow(
      expect.objectContaining({ code: 'base', where: expect.stringContaining(part) }),
    );
  });

  it('names what there is when the name is unknown', () => {
    expect(() => openBase('no-such-base')).toThrow(expect.objectContaining({ code: 'base' }));
  });

  it('refuses a part of another model and a cut model file', () => {
    const vae = join(copy, 'vae_decoder/config.json');
    writeFileSync(vae, readFileSync(vae, 'utf8').replace('"latent_channels": 4', '"latent_channels": 7'));
    expect(() => openBase(copy)).toThrow(expect.objectContaining({ code: 'base' }));
    const model = join(copy, 'unet/model.onnx');
    writeFileSync(model, readFileSync(model).subarray(0, 1000));
    expect(() => openBase(copy)).toThrow(expect.objectContaining({ code: 'model-file' }));
  });

  /** Gives an input of a part another name. */
  function rename(part: string, from: string, to: string): void {
    const path = join(copy, part, 'model.onnx');
    const graph = loadGraph(path);
    graph.inputs.find((input) => input.name === from)!.name = to;
    for (const node of graph.nodes) node.input = node.input.map((name) => (name === from ? to : name));
    writeFileSync(path, encodeGraph(graph));
  }

  it('finds inputs with other names by their shape, and names what it cannot place', () => {
    rename('unet', 'encoder_hidden_states', 'words');
    rename('text_encoder', 'input_ids', 'words');
    const { unet, textEncoders } = openBase(copy);
    expect([unet.ports.hidden.name, textEncoders[0]!.ports.ids.name]).toEqual(['words', 'words']);
    rename('unet', 'text_embeds', 'something');
    expect(() => openBase(copy)).toThrow(
      expect.objectContaining({ code: 'base', message: expect.stringContaining('something') }),
    );
    // Two inputs that could be the text: neither is guessed.
    rename('unet', 'something', 'text_embeds');
    const path = join(copy, 'unet/model.onnx');
    const graph = loadGraph(path);
    graph.addInput('other', DataType.FLOAT, [1, 16, 32]);
    writeFileSync(path, encodeGraph(graph));
    expect(() => openBase(copy)).toThrow(
      expect.objectContaining({ code: 'base', hint: expect.stringContaining('words [') }),
    );
  });

  it('has a hash that follows the contents alone', () => {
    const before = openBase(copy).hash;
    expect(before).toBe(openBase(join(golden, 'tiny-optimum')).hash);
    const config = join(copy, 'scheduler/scheduler_config.json');
    writeFileSync(config, `${readFileSync(config, 'utf8')} `);
    expect(openBase(copy).hash).not.toBe(before);
  });
});

describe('importing a base', () => {
  it('makes it known by name, once', () => {
    const imported = importBase(copy, 'mine');
    expect(imported.hash).toBe(openBase(copy).hash);
    expect(listBases().find((b) => b.name === 'mine')?.problem).toBeUndefined();
    expect(openBase('mine').directory).toBe(imported.directory);
    expect(() => importBase(copy, 'mine')).toThrow(expect.objectContaining({ code: 'exists' }));
    expect(() => importBase(copy, '../mine')).toThrow(expect.objectContaining({ code: 'base' }));
  });
});

describe('tokenizer files', () => {
  it('that do not belong together are refused', () => {
    const folder = join(copy, 'tokenizer');
    expect(() => ClipTokenizer.open(folder, 10)).toThrow(expect.objectContaining({ code: 'tokenizer' }));
    writeFileSync(join(folder, 'merges.txt'), '#version: 0.2\nzz qq\n');
    expect(() => ClipTokenizer.open(folder)).toThrow(expect.objectContaining({ code: 'tokenizer' }));
    rmSync(join(folder, 'merges.txt'));
    expect(() => ClipTokenizer.open(folder)).toThrow(expect.objectContaining({ code: 'tokenizer' }));
    writeFileSync(join(folder, 'vocab.json'), '[');
    expect(() => ClipTokenizer.open(folder)).toThrow(expect.objectContaining({ code: 'tokenizer' }));
  });
});
