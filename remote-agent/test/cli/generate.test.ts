import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { adapterFrom, saveAdapter } from '../../src/adapters/adapter.ts';
import { baseWeights } from '../../src/adapters/base-weights.ts';
import { chooseLayers } from '../../src/adapters/layers.ts';
import { methodByName } from '../../src/adapters/methods.ts';
import { exportCommand } from '../../src/cli/adapter-commands.ts';
import type { WantedAdapter } from '../../src/cli/adapters.ts';
import { drawComparison, readRows } from '../../src/cli/compare.ts';
import { compareCommand } from '../../src/cli/compare-command.ts';
import { findAdapter } from '../../src/cli/find-adapter.ts';
import { type GenerateOptions, generateCommand } from '../../src/cli/generate.ts';
import { openStudio } from '../../src/cli/open-studio.ts';
import { normals } from '../../src/common/random.ts';
import { pngText } from '../../src/dataset/png-text.ts';
import { openBase } from '../../src/diffusion/base.ts';
import { createJob, jobFiles, runsFolder } from '../../src/jobs/job.ts';
import { paintAll, tinySpec } from '../training/runs.ts';

const work = mkdtempSync(join(tmpdir(), 'para-generate-'));
const home = join(work, 'home');
const base = join(import.meta.dirname, '../golden/bases/tiny-optimum');
const opened = openBase(base);
afterAll(() => rmSync(work, { recursive: true, force: true }));
beforeEach(() => vi.stubEnv('PARA_HOME', home));

/** Writes an adapter of arbitrary values. */
function makeAdapter(path: string, method: 'para' | 'lora', seed: number): void {
  const { layers } = baseWeights(opened.unet.path);
  const plan = methodByName(method).plan(chooseLayers(layers), { rank: 2 });
  const values = normals(seed, method, plan.parameterCount).map((x) => 0.3 * x);
  const info = { title: 'made by a test', baseName: opened.name, baseHash: opened.hash };
  mkdirSync(dirname(path), { recursive: true });
  saveAdapter(path, adapterFrom(plan, values, info));
}

const own = join(work, 'own.safetensors');
let count = 0;

/** Draws one picture; its pixels and its file. */
async function draw(options: Partial<GenerateOptions>): Promise<{ pixels: string; file: string }> {
  const out = join(work, `picture-${count++}.png`);
  const usual = { adapter: [], seed: 3, steps: 2, guidance: 3, scheduler: 'ddim', count: 1 };
  await generateCommand({ base, prompt: 'a red apple', ...usual, ...options, out });
  return { pixels: (await sharp(out).raw().toBuffer()).toString('base64'), file: out };
}

beforeAll(async () => {
  vi.stubEnv('PARA_HOME', home);
  makeAdapter(own, 'lora', 1);
  makeAdapter(join(home, 'adapters/teapot.safetensors'), 'para', 2);
  const subject = join(work, 'subject');
  await paintAll(subject, [[16, 16]]);
  for (const [run, createdAt, seed] of [
    ['run-a', '2026-01-01T00:00:00.000Z', 3],
    ['run-b', '2026-01-02T00:00:00.000Z', 4],
    ['run-c', '2026-01-03T00:00:00.000Z', undefined],
  ] as const) {
    createJob(join(runsFolder(), run), { ...tinySpec(subject, { name: 'robot' }), createdAt });
    if (seed !== undefined) makeAdapter(jobFiles(join(runsFolder(), run)).adapter, 'lora', seed);
  }
});

describe('an adapter file of another tool', () => {
  it('is taken as it is, in every layout, and draws what it would draw imported', async () => {
    const plain = await draw({});
    const { pixels } = await draw({ adapter: [`${own}:0.7`] });
    expect(pixels).not.toBe(plain.pixels);
    for (const format of ['kohya', 'diffusers', 'peft']) {
      const out = join(work, format === 'peft' ? 'peft' : `${format}.safetensors`);
      await exportCommand(own, { base, format, out });
      expect((await draw({ adapter: [`${out}:0.7`] })).pixels, format).toBe(pixels);
    }
  });
});

describe('an adapter that a prompt names', () => {
  it('applies with its strength, and its tag is no part of the text', async () => {
    const { pixels } = await draw({ adapter: [`${join(home, 'adapters/teapot.safetensors')}:0.5`] });
    expect((await draw({})).pixels).not.toBe(pixels);
    expect((await draw({ prompt: 'a red <lora:teapot:0.5>apple' })).pixels).toBe(pixels);
  });

  it('comes after those of the command line', async () => {
    const both = await draw({ adapter: [own], prompt: 'a red apple<lora:teapot:1>' });
    const given = await draw({ adapter: [own, join(home, 'adapters/teapot')] });
    expect(both.pixels).toBe(given.pixels);
  });

  it('is looked up as a file, a name, a run, or the newest run of a subject that has an adapter', () => {
    const run = (name: string) => jobFiles(join(runsFolder(), name)).adapter;
    expect(findAdapter('own', work)).toBe(own);
    expect(findAdapter('own.safetensors', work)).toBe(own);
    expect(findAdapter('teapot', work)).toBe(join(home, 'adapters/teapot.safetensors'));
    expect(findAdapter('run-a', work)).toBe(run('run-a'));
    expect(findAdapter(join(runsFolder(), 'run-a'), work)).toBe(run('run-a'));
    expect(findAdapter('robot', work)).toBe(run('run-b'));
  });

  it('is refused with the names that are near when there is none', async () => {
    await expect(draw({ prompt: 'a pot <lora:teepot:1>' })).rejects.toMatchObject({
      code: 'adapter',
      message: 'There is no adapter "teepot"',
      where: 'a pot <lora:teepot:1>',
      hint: 'near to it: teapot',
    });
    await expect(draw({ adapter: ['robo'] })).rejects.toThrow(
      expect.objectContaining({ hint: expect.stringContaining('robot') }),
    );
    await expect(draw({ adapter: ['nothing/like/it'] })).rejects.toThrow(
      expect.objectContaining({ code: 'adapter', hint: expect.stringContaining('para runs') }),
    );
  });

  it('is refused in the negative prompt', async () => {
    await expect(draw({ negative: 'dark <lora:teapot:1>' })).rejects.toMatchObject({ code: 'prompt' });
  });
});

describe('a picture that was drawn in half precision', () => {
  it('tells so, and is repeated in it to the last byte', async () => {
    const half = await draw({ precision: 'f16', steps: 8, adapter: [own] });
    const recipe = (file: string) => JSON.parse(pngText(readFileSync(file), 'para-studio', file)!);
    expect(recipe(half.file).precision).toBe('f16');
    const again = await draw({ from: half.file });
    expect(readFileSync(again.file)).toEqual(readFileSync(half.file));
    const usual = await draw({ steps: 8, adapter: [own] });
    expect(recipe(usual.file)).not.toHaveProperty('precision');
  });
});

describe('a picture that was drawn with adapters', () => {
  it('tells them, and is repeated to the last byte', async () => {
    const first = await draw({ adapter: [`${own}:-0.5`], prompt: 'a red apple <lora:robot:0.25>' });
    const text = pngText(readFileSync(first.file), 'parameters');
    expect(text).toContain('a red apple <lora:robot:0.25> <lora:own:-0.5>\n');
    expect(text).toMatch(/Lora hashes: "own: [0-9a-f]{12}, robot: [0-9a-f]{12}"/);
    const again = await draw({ from: first.file, prompt: 'something else', seed: 9 });
    expect(readFileSync(again.file)).toEqual(readFileSync(first.file));
  });

  it('is not repeated with an adapter that was changed since', async () => {
    const file = join(work, 'changing.safetensors');
    copyFileSync(own, file);
    const first = await draw({ adapter: [file] });
    makeAdapter(file, 'lora', 77);
    await expect(draw({ from: first.file })).rejects.toMatchObject({ code: 'adapter', where: file });
  });
});

describe('a comparison', () => {
  it('applies the adapters of a prompt in every column of its row', async () => {
    const prompts = join(work, 'p.prompts');
    writeFileSync(prompts, 'a red apple <lora:own:0.6> --d 5 --s 2\n');
    const [row] = readRows(prompts);
    expect(row!.adapters.map(({ strength }) => strength)).toEqual([0.6]);
    const label = { title: 'one', note: 'column' };
    const studio = await openStudio(base, {});
    const sheet = async (name: string, adapters: typeof row, adapter?: WantedAdapter) => {
      const out = join(work, name);
      await drawComparison(studio, [{ ...label, ...(adapter ? { adapter } : {}) }], [adapters!], out);
      return readFileSync(out);
    };
    const inRow = await sheet('row.png', row);
    const inColumn = await sheet('column.png', { ...row!, adapters: [] }, row!.adapters[0]);
    expect(inRow.equals(inColumn)).toBe(true);
    expect(inRow.equals(await sheet('none.png', { ...row!, adapters: [] }))).toBe(false);
    await studio.close();
  });

  it('takes runs, names and files of other tools, and does not write over a sheet', async () => {
    const prompts = join(work, 'q.prompts');
    writeFileSync(prompts, 'a red apple --s 2\n');
    const kohya = join(work, 'foreign.safetensors');
    await exportCommand(own, { base, format: 'kohya', out: kohya });
    const out = join(work, 'sheet.png');
    await compareCommand(['robot', `${kohya}:0.5`, 'teapot'], { prompts, out, base });
    expect(existsSync(out)).toBe(true);
    await expect(compareCommand(['robot'], { prompts, out, base })).rejects.toMatchObject({ code: 'exists' });
  });
});
