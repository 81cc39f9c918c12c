import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import {
  type Adapter,
  adapterFrom,
  checkBase,
  decodeAdapter,
  encodeAdapter,
  operatorsOf,
} from '../../src/adapters/adapter.ts';
import { asLora } from '../../src/adapters/as-lora.ts';
import { type ExportOptions, exportAdapter, writeExport } from '../../src/adapters/export.ts';
import { readAdapter } from '../../src/adapters/import.ts';
import { inspectAdapter } from '../../src/adapters/inspect.ts';
import { ldmNames } from '../../src/adapters/layer-names.ts';
import { chooseLayers } from '../../src/adapters/layers.ts';
import { methodByName } from '../../src/adapters/methods.ts';
import { decodeSafetensors, encodeSafetensors } from '../../src/adapters/safetensors.ts';
import { ParaError } from '../../src/common/errors.ts';
import { Random } from '../../src/common/random.ts';
import { expectedOutput, golden, loadUnet, unetLayers, unetOutput, weightReader } from './golden-unet.ts';
import { exportedCases, sampleAdapter } from './sample-adapters.ts';
import { largestDifference } from './small-graph.ts';

const folder = mkdtempSync(join(tmpdir(), 'para-formats-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const layers = unetLayers();
const readWeight = weightReader();

/** What a function throws, as `code: message`. */
function refusal(run: () => unknown): string {
  try {
    run();
    return 'accepted';
  } catch (error) {
    const { code, message, hint } = error as { code?: string; message?: string; hint?: string };
    return `${code}: ${message} (${hint})`;
  }
}

test('LoRA and PaRa saved by PEFT, diffusers and kohya give the U-Net output that PyTorch gives with them', async () => {
  const base = expectedOutput('base');
  expect(largestDifference(await unetOutput(), base)).toBeLessThan(1e-5);
  for (const [name, file, layout, method] of [
    ['peft-lora', 'peft-lora', 'peft', 'lora'],
    ['peft-para', 'peft-para', 'peft', 'para'],
    ['diffusers', 'diffusers.safetensors', 'diffusers', 'lora'],
    ['kohya', 'kohya.safetensors', 'kohya', 'lora'],
  ] as const) {
    const read = readAdapter(join(golden, file), layers);
    expect([read.layout, read.adapter.method]).toEqual([layout, method]);
    const expected = expectedOutput(name);
    expect(largestDifference(expected, base)).toBeGreaterThan(0.05);
    expect(largestDifference(await unetOutput(read.adapter), expected), name).toBeLessThan(2e-5);
  }
});

test('text-encoder keys of a LoRA file are reported, not silently dropped', () => {
  const { ignored } = readAdapter(join(golden, 'kohya.safetensors'), layers);
  expect(ignored).toEqual(['lora_te1_text_model_encoder_layers_0_mlp_fc1.lora_down.weight']);
});

test('a PaRa exported as LoRA gives the same U-Net output', async () => {
  const para = sampleAdapter('para');
  const lora = asLora(para, layers, readWeight);
  const [a, b] = [await unetOutput(para), await unetOutput(lora)];
  expect(largestDifference(a, await unetOutput())).toBeGreaterThan(0.05);
  expect(largestDifference(a, b)).toBeLessThan(1e-5);
  expect(largestDifference(await unetOutput(para, 0.4), await unetOutput(lora, 0.4))).toBeLessThan(1e-5);
});

test('every layout is read back to the same adapter', async () => {
  const outputs = new Map<string, Float32Array>();
  for (const [name, files] of exportedCases()) {
    const path = join(folder, `${name}${files.has('') ? '.safetensors' : ''}`);
    writeExport(path, files);
    const read = readAdapter(path, layers);
    const kind = /^(para|uniform|lora)-/.exec(name)![1] as 'para' | 'uniform' | 'lora';
    const original = outputs.get(kind) ?? (await unetOutput(sampleAdapter(kind)));
    outputs.set(kind, original);
    expect(largestDifference(original, await unetOutput(read.adapter)), name).toBeLessThan(2e-5);
    expect(read.adapter.info.triggerWords, name).toEqual(['zwx backpack']);
    expect(read.ignored).toEqual([]);
  }
});

test('these very exports were loaded by PEFT and diffusers and gave the adapted output there', () => {
  const verified = JSON.parse(readFileSync(join(golden, 'exports-verified.json'), 'utf8')) as Record<
    string,
    { sha256: Record<string, string>; error: number }
  >;
  const cases = exportedCases();
  expect(Object.keys(verified).sort()).toEqual([...cases.keys()].sort());
  for (const [name, files] of cases) {
    const hashes = [...files].map(([file, bytes]) => [
      file,
      createHash('sha256').update(bytes).digest('hex'),
    ]);
    expect(Object.fromEntries(hashes), name).toEqual(verified[name]!.sha256);
    expect(verified[name]!.error).toBeLessThan(1e-4);
  }
});

test('single-file layouts give all layers one rank and alpha, since diffusers reads mixed ones wrongly', () => {
  const ranks = new Set([...operatorsOf(sampleAdapter('para'))].map(({ rank }) => rank));
  expect(ranks.size).toBeGreaterThan(1);
  for (const name of ['para-kohya', 'para-kohya-ldm', 'para-diffusers']) {
    const { tensors } = decodeSafetensors(exportedCases().get(name)!.get('')!);
    const most = Math.max(...ranks);
    for (const [key, { dims, data }] of tensors)
      if (/lora_(down|A)\.weight$/.test(key)) expect(dims[0], key).toBe(most);
      else if (key.endsWith('.alpha')) expect([...data], key).toEqual([most]);
  }
});

test('our own file keeps tensors, scales and everything it says about itself, in bytes that never change', () => {
  for (const kind of ['para', 'lora'] as const) {
    const adapter = sampleAdapter(kind);
    const bytes = encodeAdapter(adapter);
    const back = decodeAdapter(bytes, 'file');
    expect(back.method).toBe(adapter.method);
    expect([...back.tensors].sort()).toEqual([...adapter.tensors].sort());
    expect(back.scales).toEqual(adapter.scales);
    expect(back.info).toEqual(adapter.info);
    expect(encodeAdapter(back)).toEqual(bytes);
    expect(encodeAdapter(sampleAdapter(kind))).toEqual(bytes);
  }
});

test('the metadata name what adapter tools look for', () => {
  const { metadata } = decodeSafetensors(encodeAdapter(sampleAdapter('lora')));
  expect(metadata).toMatchObject({
    ss_network_module: 'networks.lora',
    ss_network_dim: '3',
    ss_network_alpha: '6',
    ss_base_model_version: 'sdxl_base_v1-0',
    ss_sd_model_hash: 'b'.repeat(64),
    ss_resolution: '(512, 512)',
    ss_seed: '7',
    ss_steps: '200',
    'modelspec.architecture': 'stable-diffusion-xl-v1-base/lora',
    'modelspec.title': 'backpack',
    'modelspec.trigger_phrase': 'zwx backpack',
    'modelspec.thumbnail': expect.stringMatching(/^data:image/),
  });
});

test('the hash by which other tools know an adapter is that of what lies behind the header of its file', () => {
  const exported = [...exportedCases()].flatMap(([, files]) => [...files.values()]);
  const own = (['para', 'uniform', 'lora'] as const).map((kind) => encodeAdapter(sampleAdapter(kind)));
  for (const bytes of [...exported, ...own]) {
    if (bytes[8] !== 0x7b) continue; // PEFT's settings
    const { metadata } = decodeSafetensors(bytes);
    const header = 8 + Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
    expect(metadata.sshs_model_hash).toBe(createHash('sha256').update(bytes.subarray(header)).digest('hex'));
  }
});

test('an adapter for another base is refused with both names', () => {
  const adapter = sampleAdapter('para');
  checkBase(adapter, { name: 'tiny', hash: 'b'.repeat(64) }, 'file');
  const said = refusal(() => checkBase(adapter, { name: 'other', hash: 'c'.repeat(64) }, 'file'));
  expect(said).toMatch(/^adapter-base-mismatch: .*tiny \(bbbbbbbbbbbb\).*other \(cccccccccccc\)/);
});

test('a layout that cannot hold PaRa says what to add', () => {
  const options = (format: ExportOptions['format']): ExportOptions => ({ format, layers, readWeight });
  for (const format of ['diffusers', 'kohya', 'peft'] as const)
    expect(refusal(() => exportAdapter(sampleAdapter('para'), options(format)))).toMatch(
      /^adapter: .*--as lora/,
    );
});

test('damaged or foreign files are refused with the reason', () => {
  const write = (name: string, tensors: Record<string, number[]>) => {
    const path = join(folder, name);
    const map = Object.entries(tensors).map(
      ([key, dims]) => [key, { dims, data: new Float32Array(dims.reduce((a, b) => a * b, 1)) }] as const,
    );
    writeFileSync(path, encodeSafetensors(new Map(map)));
    return path;
  };
  const q = 'mid_block.attentions.0.transformer_blocks.0.attn1.to_q';
  const read = (path: string) => refusal(() => readAdapter(path, layers));
  expect(read(join(folder, 'missing.safetensors'))).toMatch(/^adapter: The adapter cannot be read/);
  const loha = write('loha', { [`lora_unet_${q.replaceAll('.', '_')}.hada_w1_a`]: [2, 2] });
  expect(read(loha)).toMatch(/^adapter: .*no plain LoRA/);
  expect(read(write('half', { [`unet.${q}.lora_A.weight`]: [2, 16] }))).toMatch(/^adapter: .*not complete/);
  const far = { 'unet.nowhere.to_q.lora_A.weight': [2, 16], 'unet.nowhere.to_q.lora_B.weight': [16, 2] };
  expect(read(write('far', far))).toMatch(/^adapter: The base has no layer nowhere.to_q/);
  const wide = { [`unet.${q}.lora_A.weight`]: [2, 99], [`unet.${q}.lora_B.weight`]: [16, 2] };
  expect(read(write('wide', wide))).toMatch(/^adapter: The shape \[2,99\] does not fit/);
  const text = { 'lora_te1_x.lora_down.weight': [2, 2], 'lora_te1_x.lora_up.weight': [2, 2] };
  expect(read(write('text', text))).toMatch(/^adapter: .*no layer of the U-Net.*text encoders only/);
  const empty = join(folder, 'empty-folder');
  mkdirSync(empty);
  expect(read(empty)).toMatch(/^adapter: The folder holds no adapter_config.json/);
  writeFileSync(join(empty, 'adapter_config.json'), '{');
  writeFileSync(join(empty, 'adapter_model.safetensors'), '');
  expect(read(empty)).toMatch(/^adapter: .*not valid JSON/);
  for (const [config, reason] of [
    ['{"peft_type":"LOHA"}', /kind "LOHA"/],
    ['{"peft_type":"DEFT","para":false}', /not a PaRa/],
    ['{"peft_type":"LORA","use_dora":true}', /DoRA/],
    ['{"peft_type":"LORA","lora_alpha":"x"}', /lora_alpha/],
    ['[]', /not a JSON object/],
  ] as const) {
    writeFileSync(join(empty, 'adapter_config.json'), config);
    expect(read(empty)).toMatch(reason);
  }
  const own = encodeAdapter(sampleAdapter('para'));
  expect(refusal(() => decodeAdapter(own.subarray(0, own.length - 1), 'x'))).toMatch(/^safetensors: /);
});

test('mutated adapter files of every layout give typed errors only', () => {
  const random = new Random(3, 'adapters');
  const path = join(folder, 'mutated.safetensors');
  const read = (bytes: Uint8Array) => {
    writeFileSync(path, bytes);
    try {
      readAdapter(path, layers);
    } catch (error) {
      expect(error).toBeInstanceOf(ParaError);
    }
  };
  const files = [encodeAdapter(sampleAdapter('lora')), readFileSync(join(golden, 'kohya.safetensors'))];
  for (const whole of files) {
    const header = Number(new DataView(whole.buffer, whole.byteOffset).getBigUint64(0, true));
    for (let i = 0; i < 150; i++) {
      const bytes = new Uint8Array(whole);
      for (let c = 0; c <= i % 3; c++) bytes[8 + random.integer(header)] = 0x20 + random.integer(0x5f);
      read(bytes);
    }
    // Sound files whose tensors are named, shaped or dropped wrongly.
    const { tensors, metadata } = decodeSafetensors(whole);
    for (let i = 0; i < 100; i++) {
      const changed = new Map(tensors);
      const names = [...tensors.keys()];
      const name = names[random.integer(names.length)]!;
      const tensor = tensors.get(name)!;
      changed.delete(name);
      const at = random.integer(name.length);
      if (i % 4 === 0) changed.set(name.slice(0, at) + name.slice(at + 1), tensor);
      if (i % 4 === 1) changed.set(name, { dims: [...tensor.dims].reverse(), data: tensor.data });
      if (i % 4 === 2) changed.set(name, { dims: [0], data: new Float32Array() });
      read(encodeSafetensors(changed, metadata));
    }
  }
});

test('an export never replaces what is there', () => {
  const path = join(folder, 'taken');
  writeFileSync(path, 'mine');
  const files = exportAdapter(sampleAdapter('lora'), { format: 'peft', layers, readWeight });
  expect(refusal(() => writeExport(path, files))).toMatch(/^exists: /);
  expect(readFileSync(path, 'utf8')).toBe('mine');
  expect(existsSync(join(folder, 'new'))).toBe(false);
});

test('inspecting tells rank, scale and the norm of what each layer adds', () => {
  const adapter: Adapter = sampleAdapter('lora');
  const report = inspectAdapter(adapter);
  expect(report.layers.length).toBe(adapter.tensors.size / 2);
  const first = report.layers[0]!;
  const a = adapter.tensors.get(`${first.path}.lora_A.weight`)!;
  const b = adapter.tensors.get(`${first.path}.lora_B.weight`)!;
  const inputs = a.data.length / 3;
  let square = 0;
  for (let o = 0; o < first.dOut; o++)
    for (let i = 0; i < inputs; i++) {
      let w = 0;
      for (let k = 0; k < 3; k++) w += 2 * b.data[o * 3 + k]! * a.data[k * inputs + i]!;
      square += w * w;
    }
  expect(first.rank).toBe(3);
  expect(first.scale).toBe(2);
  expect(first.norm).toBeCloseTo(Math.sqrt(square), 5);
});

test('LDM names follow the blocks of SDXL', () => {
  const paths = [
    'conv_in',
    'down_blocks.0.resnets.0.conv1',
    'down_blocks.0.resnets.1.conv2',
    'down_blocks.0.downsamplers.0.conv',
    'down_blocks.1.attentions.1.transformer_blocks.1.attn2.to_out.0',
    'down_blocks.2.attentions.1.proj_in',
    'mid_block.resnets.1.time_emb_proj',
    'mid_block.attentions.0.transformer_blocks.9.ff.net.0.proj',
    'up_blocks.0.attentions.2.proj_out',
    'up_blocks.0.upsamplers.0.conv',
    'up_blocks.1.resnets.0.conv_shortcut',
    'up_blocks.2.resnets.2.conv1',
    'add_embedding.linear_1',
  ];
  expect([...ldmNames(paths).values()]).toEqual([
    'input_blocks.0.0',
    'input_blocks.1.0.in_layers.2',
    'input_blocks.2.0.out_layers.3',
    'input_blocks.3.0.op',
    'input_blocks.5.1.transformer_blocks.1.attn2.to_out.0',
    'input_blocks.8.1.proj_in',
    'middle_block.2.emb_layers.1',
    'middle_block.1.transformer_blocks.9.ff.net.0.proj',
    'output_blocks.2.1.proj_out',
    'output_blocks.2.2.conv',
    'output_blocks.3.0.skip_connection',
    'output_blocks.8.0.in_layers.2',
    'label_emb.0.0',
  ]);
  const all = layers.map(({ path }) => path);
  expect(ldmNames(all).size).toBe(all.length);
  expect(new Set(ldmNames(all).values()).size).toBe(all.length);
});

test('a plan for the real graph attaches with every preset', () => {
  for (const preset of ['attention', 'attention+ff', 'all-linear', 'author'])
    for (const name of ['para', 'lora']) {
      const plan = methodByName(name).plan(chooseLayers(layers, preset), {});
      const graph = loadUnet();
      methodByName(name).attach(graph, plan, 'coefficients');
      const adapter = adapterFrom(plan, methodByName(name).initialise(plan, 1), { title: preset });
      expect(inspectAdapter(adapter).parameters).toBe(plan.parameterCount);
    }
});
