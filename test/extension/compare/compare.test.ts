import { existsSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { parsePrompt } from '../../../remote-agent/src/diffusion/prompt.ts';
import { parsePromptLine } from '../../../remote-agent/src/diffusion/prompt-lines.ts';
import { Comparison } from '../../../src/compare/comparison.ts';
import {
  type AppliedFile,
  type ComparisonState,
  drawingOf,
  keyOf,
  labelsOf,
  type Place,
  promptLineOf,
  remembered,
} from '../../../src/compare/model.ts';
import type { PaintHooks } from '../../../src/compare/painter.ts';
import { PictureCache } from '../../../src/compare/picture-cache.ts';
import { readLine } from '../../../src/compare/prompt-line.ts';
import type { Cell } from '../../../webview/contract/compare.ts';

const adapter = (name: string): AppliedFile => ({
  name,
  file: `/adapters/${name}.safetensors`,
  hash: `hash of ${name}`,
});
const column = (id: string, name?: string) => ({
  ...{ id, label: id, method: name ? ('lora' as const) : ('base' as const) },
  ...{ strength: 1, minimum: 0, maximum: 2, facts: {} },
  ...(name ? { adapter: adapter(name) } : {}),
});
const row = (id: string, text: string, offset: number) => ({ id, text, offset, adapters: {} });

const state = (change: Partial<ComparisonState> = {}): ComparisonState => ({
  ...{ version: 1, id: 'c', mode: 'compare' },
  place: { host: 'h', base: 'b', baseHash: 'ff', width: 64, height: 64 },
  settings: { seed: 10, guidance: 5, steps: 20, scheduler: 'ddim', negative: '' },
  columns: [column('base'), column('dog', 'dog')],
  rows: [row('r0', 'a dog', 0), row('r1', 'a cat', 1)],
  history: [],
  ...change,
});
const drawing = (s: ComparisonState, c = 0, r = 0) => drawingOf(s, s.columns[c]!, s.rows[r]!)!;

describe('the pictures of a comparison', () => {
  test('have one noise a row, whatever the column', () => {
    const s = state();
    expect([drawing(s, 0, 1), drawing(s, 1, 1)].map((one) => one.settings.seed)).toEqual([11, 11]);
    expect(drawing(s, 1, 0).settings.seed).toBe(10);
  });

  test('take what a prompt says itself before what the comparison says', () => {
    const s = state({
      rows: [
        { ...row('r', 'a dog <lora:cat:0.5> --d 7 --s 3 --n blurry', 0), adapters: { cat: adapter('cat') } },
      ],
    });
    const { prompt, settings, adapters } = drawing(s, 1);
    expect(prompt).toBe('a dog');
    expect(settings).toMatchObject({ seed: 7, steps: 3, guidance: 5, negative: 'blurry' });
    expect(adapters.map(({ name, strength }) => [name, strength])).toEqual([
      ['dog', 1],
      ['cat', 0.5],
    ]);
  });

  test('stand in columns whose names tell them apart', () => {
    const of = (name: string, steps?: number) => ({
      ...column(name, name),
      ...{ label: 'dog · PaRa', facts: steps === undefined ? {} : { steps } },
    });
    const labels = (...columns: ReturnType<typeof of>[]) => labelsOf(columns, (steps) => `${steps} steps`);
    expect(labels(of('a', 200), { ...of('b', 200), label: 'dog · LoRA' })).toEqual([
      'dog · PaRa',
      'dog · LoRA',
    ]);
    expect(labels(of('a', 200), of('b', 400))).toEqual(['dog · PaRa · 200 steps', 'dog · PaRa · 400 steps']);
    expect(labels(of('a', 200), of('b', 200))).toEqual(['dog · PaRa · a', 'dog · PaRa · b']);
    expect(labels(of('a', 200), of('b'))).toEqual(['dog · PaRa · a', 'dog · PaRa · b']);
    // One at several strengths.
    expect(labels(of('a', 200), of('a', 200))).toEqual(['dog · PaRa', 'dog · PaRa']);
    expect(labelsOf([column('base'), column('base')], String)).toEqual(['base', 'base']);
  });

  test('are not drawn without a prompt, or with one that is not understood', () => {
    const s = state({ rows: [row('r', ' ', 0), { ...row('q', 'x --zz 1', 1), problem: 'no' }] });
    expect(s.rows.map((one) => drawingOf(s, s.columns[0]!, one))).toEqual([undefined, undefined]);
    expect(() => readLine('x --zz 1')).toThrow('not understood');
  });

  test('have one name for one content: of strength, base and host too, but not of a label', () => {
    const key = (s: ComparisonState) => keyOf(drawing(s, 1));
    const one = state();
    expect(key(state())).toBe(key(one));
    expect(key(state({ columns: [column('base'), { ...column('dog', 'dog'), label: 'other' }] }))).toBe(
      key(one),
    );
    const others = [
      state({ columns: [column('base'), { ...column('dog', 'dog'), strength: 0.5 }] }),
      state({ place: { ...one.place, baseHash: 'ee' } }),
      state({ place: { ...one.place, host: 'g' } }),
      state({ settings: { ...one.settings, width: 128 } }),
      state({ settings: { ...one.settings, guidance: 6 } }),
    ].map(key);
    expect(new Set([...others, key(one)]).size).toBe(6);
    // The base's own size, named or not, is the same picture.
    expect(key(state({ settings: { ...one.settings, width: 64, height: 64 } }))).toBe(key(one));
  });

  test('are copied as a line that a prompt file takes', () => {
    const s = state({ columns: [{ ...column('dog', 'dog'), strength: 0.8 }] });
    const line = promptLineOf(drawing(s));
    expect(line).toBe('a dog <lora:dog:0.8> --d 10 --s 20 --l 5 --ss ddim');
    expect(parsePromptLine(line)).toMatchObject({ seed: 10, steps: 20, guidance: 5, scheduler: 'ddim' });
    expect(parsePrompt(parsePromptLine(line).prompt).adapters).toEqual([{ name: 'dog', strength: 0.8 }]);
  });

  test('are drawn again by the line that was copied, whatever is set where it is put', () => {
    const settings = {
      ...state().settings,
      scheduler: 'euler-ancestral',
      width: 64,
      height: 128,
      negative: 'fog',
    };
    const first = drawing(state({ settings }), 1);
    const text = promptLineOf(first);
    const other = state({
      settings: { seed: 3, guidance: 7, steps: 9, scheduler: 'dpmpp-2m', negative: '' },
      rows: [{ ...row('r', text, 4), adapters: { dog: adapter('dog') } }],
    });
    expect(keyOf(drawing(other, 0))).toBe(keyOf(first));
  });

  test('stand in the history once, the newest first, and not without end', () => {
    let s = state();
    const first = drawing(s);
    for (let seed = 0; seed < 100; seed++)
      s = remembered(s, { ...first, settings: { ...first.settings, seed } });
    s = remembered(s, { ...first, settings: { ...first.settings, seed: 50 } });
    expect(s.history.slice(0, 2).map((one) => one.settings.seed)).toEqual([50, 99]);
    expect(s.history).toHaveLength(60);
  });
});

/** A comparison whose pictures are drawn, and whose places are found, when the test says so. */
function bench(
  given: ComparisonState,
  paused = false,
  find = async (place: Place): Promise<Place> => ({ ...place, baseHash: 'ff' }),
) {
  const folder = mkdtempSync(join(tmpdir(), 'para-compare-'));
  const asked: {
    key: string;
    hooks: PaintHooks;
    finish(png?: Uint8Array): void;
    fail(cause: unknown): void;
  }[] = [];
  const cells: Cell[] = [];
  const cache = new PictureCache(join(folder, 'pictures'), 1e9);
  const comparison = new Comparison(
    given,
    {
      cache,
      previews: new PictureCache(join(folder, 'previews'), 1e6),
      place: find,
      paint: (one, _, hooks) =>
        new Promise((resolve, reject) => {
          const finish = (png = new Uint8Array([1])) => resolve(png);
          asked.push({ key: keyOf(one), hooks, finish, fail: reject });
          hooks.signal.addEventListener('abort', () => reject(new Error('given up')));
        }),
      previewEvery: () => 5,
      sourceOf: (path) => path,
      describe: (cause) => (cause as Error).message,
      describeProgress: () => undefined,
      describeSteps: (steps) => `${steps} steps`,
      onView: () => {},
      onCell: (cell) => cells.push(cell),
      save: () => {},
    },
    paused,
  );
  const states = () => comparison.view().cells.map((cell) => cell.state);
  return { comparison, asked, cells, states, cache };
}

describe('a comparison as it is drawn', () => {
  test('fills cell by cell, one picture at a time', async () => {
    const { comparison, asked, states } = bench(state());
    comparison.start();
    expect(states()).toEqual(['drawing', 'waiting', 'waiting', 'waiting']);
    for (let i = 0; i < 4; i++) {
      expect(asked).toHaveLength(i + 1);
      asked[i]!.finish();
      await turn();
    }
    expect(states()).toEqual(['done', 'done', 'done', 'done']);
    expect(asked).toHaveLength(4);
  });

  test('shows how a picture looks by now, and throws the look away', async () => {
    const { comparison, asked, cells } = bench(state());
    comparison.start();
    asked[0]!.hooks.onProgress({ at: 'step', picture: 0, step: 5, steps: 20 } as never);
    asked[0]!.hooks.onPreview(new Uint8Array([2]), 5);
    const { source, step, steps } = cells.at(-1)!;
    expect([step, steps]).toEqual([5, 20]);
    expect(existsSync(source!)).toBe(true);
    asked[0]!.finish();
    await expect.poll(() => comparison.view().cells[0]?.state, { timeout: 30_000 }).toBe('done');
    await expect.poll(() => existsSync(source!), { timeout: 30_000 }).toBe(false);
  });

  test('breaks off what a slider made stale, draws only its last place, and keeps the picture before', async () => {
    const { comparison, asked } = bench(state({ rows: [row('r0', 'a dog', 0)] }));
    comparison.start();
    for (let i = 0; i < 2; i++) {
      asked[i]!.finish();
      await turn();
    }
    const before = comparison.view().cells[1]!.source;
    comparison.setColumn('dog', { strength: 0.9 });
    comparison.setColumn('dog', { strength: 0.7 });
    comparison.setColumn('dog', { strength: 0.5 });
    await turn();
    expect(asked[2]!.hooks.signal.aborted).toBe(true);
    expect(asked).toHaveLength(4);
    const wanted = comparison.drawingAt({ column: 'dog', row: 'r0' })!;
    expect(wanted.adapters[0]?.strength).toBe(0.5);
    expect(asked[3]!.key).toBe(keyOf(wanted));
    expect(comparison.view().cells[1]).toMatchObject({ state: 'drawing', source: before });
    asked[3]!.finish();
    await turn();
    // Back where it was: that picture is there already.
    comparison.setColumn('dog', { strength: 1 });
    expect(comparison.view().cells[1]).toMatchObject({ state: 'done', source: before });
    expect(asked).toHaveLength(4);
  });

  test('says in a cell why it failed, goes on with the others, and tries again when asked', async () => {
    const { comparison, asked, states } = bench(state({ rows: [row('r0', 'a dog', 0)] }));
    comparison.start();
    asked[0]!.fail(new Error('no memory'));
    await turn();
    expect(states()).toEqual(['failed', 'drawing']);
    expect(comparison.view().cells[0]?.problem).toBe('no memory');
    asked[1]!.finish();
    await turn();
    expect(asked).toHaveLength(2);
    comparison.start();
    expect(states()).toEqual(['drawing', 'done']);
  });

  test('draws nothing by itself after a reload, and shows what was drawn before', async () => {
    const { comparison, asked, states, cache } = bench(state({ rows: [row('r0', 'a dog', 0)] }), true);
    cache.put(keyOf(drawing(comparison.state)), new Uint8Array([1]));
    expect(states()).toEqual(['done', 'missing']);
    comparison.setSettings({ steps: 20 });
    expect(asked).toHaveLength(0);
    comparison.start();
    expect(asked).toHaveLength(1);
  });

  test('asks the host what its base is before the first picture is named', async () => {
    const { comparison, asked } = bench(state({ place: { host: 'h', base: 'b' } }));
    comparison.start();
    await turn();
    await turn();
    expect(comparison.state.place.baseHash).toBe('ff');
    expect(asked).toHaveLength(1);
    expect(asked[0]!.key).toBe(keyOf(drawing(comparison.state)));
  });

  test('asks a host that cannot be reached once, whatever the number of pictures, and again when asked', async () => {
    let asked = 0;
    const { comparison, states } = bench(state({ place: { host: 'h', base: 'b' } }), false, async () => {
      asked++;
      throw new Error('no way there');
    });
    comparison.start();
    await expect.poll(states, { timeout: 30_000 }).toEqual(['failed', 'failed', 'failed', 'failed']);
    expect([asked, comparison.problem]).toEqual([1, 'no way there']);
    comparison.start();
    await expect.poll(states, { timeout: 30_000 }).toEqual(['failed', 'failed', 'failed', 'failed']);
    expect(asked).toBe(2);
  });

  test('goes elsewhere at once, though the host before gives no answer, and shows nothing of that host', async () => {
    let late: (place: Place) => void = () => {};
    const never = new Promise<Place>((resolve) => {
      late = resolve;
    });
    const { comparison, asked } = bench(state({ place: { host: 'h', base: 'b' } }), false, (place) =>
      place.host === 'h' ? never : Promise.resolve({ ...place, baseHash: 'ee' }),
    );
    comparison.start();
    comparison.change({ place: { host: 'g', base: 'b' } });
    await expect.poll(() => asked.length, { timeout: 30_000 }).toBe(1);
    expect(asked[0]!.key).toBe(keyOf(drawing(comparison.state)));
    late({ host: 'h', base: 'b', baseHash: 'ff' });
    await turn();
    expect(comparison.state.place).toEqual({ host: 'g', base: 'b', baseHash: 'ee' });
  });

  test('remembers single pictures as they are shown, drawn now or found', async () => {
    const given = state({ mode: 'generate', columns: [column('dog', 'dog')], rows: [row('r', 'a dog', 0)] });
    const { comparison, asked, cache } = bench(given);
    cache.put(keyOf(drawing(given)), new Uint8Array([1]));
    comparison.start();
    expect(asked).toHaveLength(0);
    comparison.setSettings({ seed: 5 });
    asked[0]!.finish();
    await turn();
    expect(comparison.view().history.map(({ seed }) => seed)).toEqual([5, 10]);
    comparison.setSettings({ seed: 10 });
    expect(comparison.view().history.map(({ seed }) => seed)).toEqual([10, 5]);
  });

  test('stops, and draws nothing more until it is started', async () => {
    const { comparison, asked, states } = bench(state());
    comparison.start();
    comparison.pause();
    await turn();
    expect(asked[0]!.hooks.signal.aborted).toBe(true);
    expect(asked).toHaveLength(1);
    expect(states()).toEqual(['missing', 'missing', 'missing', 'missing']);
  });
});
