import {
  closeSync,
  openSync,
  readdirSync,
  renameSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { ParaError } from '../../src/common/errors.ts';
import { Random } from '../../src/common/random.ts';
import { type Base, openBase } from '../../src/diffusion/base.ts';
import { importBase, listBases } from '../../src/diffusion/base-import.ts';
import { generate } from '../../src/diffusion/generate.ts';
import {
  difference,
  ownHome,
  tenSteps,
  textStates,
  unetOutput,
  vaeDifference,
} from './checkpoint-outputs.ts';
import { checkpointGolden, golden, writeCheckpoint, writeHeader } from './random-checkpoint.ts';

const home = ownHome();

const bytesIn = (folder: string) =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' }).reduce(
    (sum, name) => sum + statSync(join(folder, name)).size,
    0,
  );

describe.each(['sd', 'sdxl'] as const)('a single-file checkpoint of the architecture %s', (architecture) => {
  const file = checkpointGolden(architecture);
  const path = join(home, `${architecture}.safetensors`);
  let base: Base;

  beforeAll(() => {
    writeCheckpoint(path, file.tensors);
    base = importBase(path);
  });

  it('is imported without its weights', () => {
    expect(openBase(architecture).architecture).toBe(architecture);
    expect(bytesIn(base.directory)).toBeLessThan(20e6);
  });

  it('text states are those of diffusers within 1e-4', async () => {
    const states = await textStates(base, file);
    expect(difference(states.hidden, golden(file, 'hidden'))).toBeLessThan(1e-4);
    if (architecture === 'sdxl') expect(difference(states.pooled, golden(file, 'pooled'))).toBeLessThan(1e-4);
  });

  it('one U-Net call gives what diffusers gives within 1e-4', async () => {
    expect(difference(await unetOutput(base, file), golden(file, 'output'))).toBeLessThan(1e-4);
  });

  it('latents of a picture, and the picture of latents, are those of diffusers within 1e-4', async () => {
    expect(await vaeDifference(base, file)).toBeLessThan(1e-4);
  });

  it('ten steps end where those of diffusers end, within 1e-4', async () => {
    expect(difference(await tenSteps(base, file), golden(file, 'latents'))).toBeLessThan(1e-4);
  });
});

describe('a single-file checkpoint that is marked as one that predicts v, without signal at the end', () => {
  it.each(['sd', 'sdxl'] as const)('takes ten steps as diffusers does: %s', async (architecture) => {
    const file = checkpointGolden(architecture);
    const path = join(home, `${architecture}-v.safetensors`);
    writeCheckpoint(path, { ...file.tensors, v_pred: [], ztsnr: [] });
    const base = importBase(path);
    expect(base.predictionType).toBe('v_prediction');
    expect(difference(await tenSteps(base, file), golden(file, 'vLatents'))).toBeLessThan(1e-4);
  });

  it('does the same where its marks are lost and the import is told', async () => {
    const file = checkpointGolden('sd');
    const path = join(home, 'untold.safetensors');
    writeCheckpoint(path, file.tensors);
    const base = importBase(path, 'told', { prediction: 'v', zeroTerminalSnr: true });
    expect(difference(await tenSteps(base, file), golden(file, 'vLatents'))).toBeLessThan(1e-4);
  });
});

describe('the file of an imported checkpoint', () => {
  const file = checkpointGolden('sd');
  const { tensors } = file;

  it('may be touched, but not changed or moved: the base then says so before anything is loaded', () => {
    const path = join(home, 'folder', 'model.safetensors');
    writeCheckpoint(path, tensors);
    importBase(path, 'watched');
    utimesSync(path, 1, 1);
    expect(openBase('watched').name).toBe('watched');
    const fd = openSync(path, 'r+');
    writeSync(fd, Buffer.from([1, 2, 3, 4]), 0, 4, statSync(path).size - 4);
    closeSync(fd);
    expect(() => openBase('watched')).toThrow('changed after it was imported');
    renameSync(path, `${path}.moved`);
    expect(() => openBase('watched')).toThrow('not where it was');
    expect(listBases().find(({ name }) => name === 'watched')?.problem).toMatch('not where it was');
  });

  it('may be called otherwise and lie elsewhere: it makes the same base, for which the same adapters are', () => {
    const [one, other] = [
      join(home, 'one', 'My Model (v1).safetensors'),
      join(home, 'other', 'b.safetensors'),
    ];
    writeCheckpoint(one, tensors);
    writeCheckpoint(other, tensors);
    const { hash, name } = importBase(one);
    expect(name).toBe('My-Model-v1');
    expect(importBase(other, 'called-b').hash).toBe(hash);
    const changed = openSync(other, 'r+');
    writeSync(changed, Buffer.from([1, 2, 3, 4]), 0, 4, statSync(other).size - 4);
    closeSync(changed);
    expect(importBase(other, 'changed-b').hash).not.toBe(hash);
  });

  it('may be reached by a link, as download caches hold it', async () => {
    writeCheckpoint(join(home, 'blob'), tensors);
    symlinkSync(join(home, 'blob'), join(home, 'link.safetensors'));
    const base = importBase(join(home, 'link.safetensors'));
    expect(difference(await unetOutput(base, file), golden(file, 'output'))).toBeLessThan(1e-4);
  });

  it.each(['F16', 'BF16'] as const)('may hold %s: the same numbers give the same outputs', async (dtype) => {
    const path = join(home, `${dtype}.safetensors`);
    writeCheckpoint(path, tensors, dtype);
    const base = importBase(path);
    expect(difference(await unetOutput(base, file), golden(file, 'output'))).toBeLessThan(1e-4);
    const states = await textStates(base, file);
    expect(difference(states.hidden, golden(file, 'hidden'))).toBeLessThan(1e-4);
  });

  it('draws with F16 weights the picture that F32 weights give, within one of 255 levels, and no black one', async () => {
    const draw = async (dtype: 'F16' | 'F32') => {
      const path = join(home, `drawn-${dtype}.safetensors`);
      writeCheckpoint(path, tensors, dtype);
      const request = { prompt: file.prompt, seed: 7, steps: 2, width: 64, height: 64 };
      const [picture] = await generate(importBase(path), request);
      return picture!;
    };
    const [half, single] = [await draw('F16'), await draw('F32')];
    expect(half.latents.every(Number.isFinite)).toBe(true);
    expect(new Set(half.pixels).size).toBeGreaterThan(16);
    const distances = half.pixels.map((level, i) => Math.abs(level - single.pixels[i]!));
    expect(Math.max(...distances)).toBeLessThanOrEqual(1);
  });

  it.each(['F16', 'BF16', 'F32'] as const)(
    'draws in half precision from %s weights what it draws in single, within 2 of 255 levels',
    async (dtype) => {
      const path = join(home, `half-${dtype}.safetensors`);
      writeCheckpoint(path, tensors, dtype);
      const base = importBase(path);
      const request = { prompt: file.prompt, seed: 7, steps: 4, width: 64, height: 64 };
      const [single] = await generate(base, { ...request, precision: 'f32' });
      const [half] = await generate(base, { ...request, precision: 'f16' });
      expect(half!.latents).not.toEqual(single!.latents);
      expect(new Set(half!.pixels).size).toBeGreaterThan(16);
      const distances = half!.pixels.map((level, i) => Math.abs(level - single!.pixels[i]!));
      expect(Math.max(...distances)).toBeLessThanOrEqual(2);
    },
  );

  it('may hold more than the model, but not less', async () => {
    const extra = join(home, 'extra.safetensors');
    // The moving average of a training, and what it needed beside the weights.
    const average = 'model_ema.diffusion_modelinput_blocks00weight';
    const beside = { [average]: [32, 4, 3, 3], 'model_ema.num_updates': [], alphas_cumprod: [1000] };
    writeCheckpoint(extra, { ...tensors, ...beside });
    expect(difference(await unetOutput(importBase(extra), file), golden(file, 'output'))).toBeLessThan(1e-4);
    const pruned = Object.entries(tensors).filter(([name]) => !name.startsWith('cond_stage_model.'));
    writeCheckpoint(join(home, 'pruned.safetensors'), Object.fromEntries(pruned));
    expect(() => importBase(join(home, 'pruned.safetensors'))).toThrow('has no text encoder');
    const { 'first_stage_model.decoder.conv_out.bias': _, ...holed } = tensors;
    writeCheckpoint(join(home, 'holed.safetensors'), holed);
    expect(() => importBase(join(home, 'holed.safetensors'))).toThrow('lacks 1 weights of its vae decoder');
    expect(() => openBase('holed')).toThrow('no base');
    // As models have whose guidance was distilled into them: the graph would leave it out.
    const guided = join(home, 'guided.safetensors');
    writeCheckpoint(guided, { ...tensors, 'model.diffusion_model.time_embed.cond_proj.weight': [32, 256] });
    expect(() => importBase(guided)).toThrow('weights that no known model has');
  });

  it('is refused with a typed error, or imported, whatever its header says', () => {
    const path = join(home, 'odd.safetensors');
    const { tensors: xl } = checkpointGolden('sdxl');
    const names = Object.keys(xl);
    const random = new Random(1, 'headers');
    let refused = 0;
    for (let i = 0; i < 40; i++) {
      const odd: Record<string, readonly number[]> = { ...xl };
      for (let change = 0; change < 20; change++) {
        const name = names[random.integer(names.length)]!;
        const dims = odd[name] ?? [];
        const other = dims.map((size) => (random.integer(2) === 0 ? size : random.integer(40)));
        odd[name] = [other, [...other, 1], other.slice(1), []][random.integer(4)]!;
      }
      writeHeader(path, odd);
      try {
        importBase(path, `odd-${i}`);
      } catch (error) {
        expect(error).toBeInstanceOf(ParaError);
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(20);
  });

  it('is refused where it is cut off or of another format', () => {
    const path = join(home, 'cut.safetensors');
    writeFileSync(
      path,
      Buffer.from('80 bytes of a pickle that could run code when it is loaded by the one who made it'),
    );
    expect(() => importBase(path)).toThrow('not a safetensors file that can be read');
  });
});
