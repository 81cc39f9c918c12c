import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { chooseLayers } from '../../src/adapters/layers.ts';
import { methodByName } from '../../src/adapters/methods.ts';
import { openBase } from '../../src/diffusion/base.ts';
import { forwardBytes, samplerBytes } from '../../src/diffusion/base-memory.ts';
import { trainingBytes } from '../../src/diffusion/training-memory.ts';
import { loadGraph } from '../../src/onnx/io.ts';
import { findLayers, type Layer } from '../../src/onnx/modules.ts';
import { memoryAtHand, parseFreeMemory } from '../../src/runtime/memory.ts';
import { type PlanInput, planMemory, planRunMemory } from '../../src/training/memory-plan.ts';
import { RunPlanner } from '../../src/training/run-plan.ts';
import { paintAll, tinySpec } from './runs.ts';

const gigabyte = 1e9;
const needs = {
  step: 4 * gigabyte,
  validation: 2 * gigabyte,
  sampler: 3 * gigabyte,
  samplerInTurns: 2 * gigabyte,
};

describe('the sessions of a run', () => {
  it('stay side by side where the memory holds them all', () => {
    expect(planMemory('auto', needs, 11 * gigabyte)).toEqual({ turns: false });
  });

  it('take turns where it does not, and say so with figures', () => {
    const { note, ...plan } = planMemory('auto', needs, 10 * gigabyte);
    expect(plan).toEqual({ turns: true });
    for (const figure of ['4.0 GB', '2.0 GB', '3.0 GB', '10.0 GB']) expect(note).toContain(figure);
  });

  it('warn where even one of them is too large, and name the setting that it follows from', () => {
    const plan = planMemory('auto', needs, 3 * gigabyte);
    expect(plan.turns).toBe(true);
    expect(plan.note).toContain('training.resolution');
    const noteWith = (larger: object) => planMemory('auto', { ...needs, ...larger }, 3 * gigabyte).note;
    expect(noteWith({ validation: 5 * gigabyte })).toContain('validation.every 0 needs less');
    expect(noteWith({ samplerInTurns: 6 * gigabyte })).toContain('samples.every 0 needs less');
  });

  it('follow the setting', () => {
    expect(planMemory('beside', needs, 1)).toEqual({ turns: false });
    expect(planMemory('turns', needs, 100 * gigabyte)).toEqual({ turns: true });
  });

  it('of a small base stay side by side where nobody tells the memory, those of a large one do not', () => {
    const small = { step: 2e8, validation: 5e7, sampler: 1e8, samplerInTurns: 5e7 };
    expect(planMemory('auto', small, undefined).turns).toBe(false);
    expect(planMemory('auto', needs, undefined).turns).toBe(true);
  });
});

describe('memory', () => {
  it('at hand is told for the processor, and read from what the driver of a GPU says', () => {
    expect(memoryAtHand('cpu')).toBeGreaterThan(2 ** 24);
    expect(parseFreeMemory('80543\n')).toBe(80543 * 2 ** 20);
    expect(parseFreeMemory('[N/A]\n')).toBeUndefined();
  });

  it('estimates grow with the batch and the size of pictures, and start from the weights', () => {
    const base = openBase('pocket-sdxl');
    const sizes = { batch: 1, latentHeight: 16, latentWidth: 16, tokens: base.textEncoders[0]!.tokens };
    const once = trainingBytes(base, sizes, 'fast');
    const weights = 4 * 5.7e6;
    expect(forwardBytes(base, sizes)).toBeGreaterThan(0.9 * weights);
    expect(once).toBeGreaterThan(forwardBytes(base, sizes));
    const four = trainingBytes(base, { ...sizes, batch: 4 }, 'fast');
    expect(four - once).toBeGreaterThan(0.04 * once);
    expect(trainingBytes(base, { ...sizes, latentWidth: 32 }, 'fast')).toBeGreaterThan(once);
    // Text encoders and VAE decoder come on top of the U-Net.
    const { together, inTurns } = samplerBytes(base);
    expect(together).toBeGreaterThan(forwardBytes(base, { ...sizes, batch: 2 }) + 4 * 0.9e6);
    expect(inTurns).toBe(forwardBytes(base, { ...sizes, batch: 2 }));
  });

  it('estimates of training count what a run holds of its adapter, on a device with its own memory only what is fed', () => {
    const base = openBase('pocket-sdxl');
    const sizes = { batch: 1, latentHeight: 8, latentWidth: 8, tokens: base.textEncoders[0]!.tokens };
    const { layers } = findLayers(loadGraph(base.unet));
    const grown = (name: 'lora' | 'para', device: 'cpu' | 'cuda') => {
      const method = methodByName(name);
      const planOf = (rank: number) => (found: readonly Layer[]) =>
        method.plan(chooseLayers(found, 'attention'), { rank, ...(name === 'para' ? { gamma: 1 } : {}) });
      const [small, large] = [4, 16].map((rank) =>
        trainingBytes(base, sizes, 'fast', { method, plan: planOf(rank) }, { device, precision: 'f32' }),
      ) as [number, number];
      const values = planOf(16)(layers).parameterCount - planOf(4)(layers).parameterCount;
      return (large - small) / (4 * values);
    };
    // Parameters, two moments and a gradient more: vectors as long as the adapter.
    expect(grown('lora', 'cpu') - grown('lora', 'cuda')).toBeGreaterThan(3.9);
    // And its bases, their gradient and the sessions between.
    expect(grown('para', 'cpu') - grown('para', 'cuda')).toBeGreaterThan(6);
    expect(grown('lora', 'cuda')).toBeGreaterThan(1.9);
  });
});

describe('training.memory "auto"', () => {
  const input = (atHand: number | undefined, more: Partial<PlanInput> = {}): PlanInput => ({
    ...{ mode: 'auto', sessions: 'auto', encoding: gigabyte, atHand },
    needs: (mode) => ({ ...needs, step: (mode === 'fast' ? 8 : 4) * gigabyte }),
    smaller: () => [
      { setting: 'training.resolution 768', bytes: 3e9 },
      { setting: 'training.resolution 512', bytes: 1.5e9 },
      { setting: 'training.resolution 256', bytes: 1e9 },
      { setting: 'training.batch 1', bytes: 2.4e9 },
      { setting: 'method.rank 4', bytes: 3.9e9 },
    ],
    ...more,
  });

  it('is fast where that fits, in turns if need be', () => {
    expect(planRunMemory(input(16e9))).toMatchObject({ mode: 'fast', turns: false, neededBytes: 13e9 });
    expect(planRunMemory(input(10e9))).toMatchObject({ mode: 'fast', turns: true, neededBytes: 8e9 });
  });

  it('is lean where only that fits, and says so with figures', () => {
    const { mode, note } = planRunMemory(input(6e9));
    expect(mode).toBe('lean');
    for (const figure of ['8.0 GB', '4.0 GB', '6.0 GB']) expect(note).toContain(figure);
  });

  it('refuses what does not fit even so, with what is needed, what is there, and what would fit', () => {
    const refused = () => planRunMemory(input(3e9));
    expect(refused).toThrow(/does not fit/);
    try {
      refused();
    } catch (cause) {
      expect(cause).toMatchObject({
        code: 'memory',
        where:
          'needed at least 4.0 GB (training 4.0 GB, validation 2.0 GB, samples 2.0 GB, pictures 1.0 GB), there: 3.0 GB',
        hint: 'what would fit: training.resolution 512 (about 1.5 GB); training.batch 1 (about 2.4 GB); or end other programs',
      });
    }
  });

  it('says so where nothing would fit', () => {
    expect(() => planRunMemory(input(5e8))).toThrow(
      expect.objectContaining({
        hint: expect.stringContaining('even training.resolution 256 needs about 1.0 GB'),
      }),
    );
  });

  it('does not refuse what would fit once others have ended, before the run is sent', () => {
    expect(planRunMemory(input(3e9, { most: 16e9 }))).toMatchObject({ mode: 'lean', turns: true });
    expect(() => planRunMemory(input(2e9, { most: 3e9 }))).toThrow(/does not fit/);
  });

  it('counts the sampler as beside training where the subject file says so', () => {
    expect(() => planRunMemory(input(8e9, { sessions: 'beside' }))).toThrow(/does not fit/);
    expect(planRunMemory(input(11e9, { sessions: 'beside' })).mode).toBe('lean');
  });

  it('leaves what is asked for by name as it is, with a note where it may fail', () => {
    const { mode, note } = planRunMemory(input(3e9, { mode: 'fast' }));
    expect(mode).toBe('fast');
    expect(note).toContain('may fail');
  });

  it('refuses nothing where nobody tells the memory', () => {
    expect(planRunMemory(input(undefined)).mode).toBe('lean');
  });
});

describe('the plan of a subject file', () => {
  const work = mkdtempSync(join(tmpdir(), 'para-plan-'));
  afterAll(() => rmSync(work, { recursive: true, force: true }));

  it('grows with its batch, counts samples, and names smaller settings that fit', async () => {
    await paintAll(work, [[16, 16]]);
    const spec = tinySpec(work, { training: { batch: 4 }, samples: { every: 1 } });
    const base = openBase(spec.base.name);
    const plan = new RunPlanner(base, spec).plan(16 * gigabyte);
    expect(plan).toMatchObject({ mode: 'fast', turns: false });
    const one = new RunPlanner(base, { ...spec, training: { ...spec.training, batch: 1 } });
    expect(one.plan(16 * gigabyte).neededBytes).toBeLessThan(plan.neededBytes);
    const silent = new RunPlanner(base, { ...spec, samples: { ...spec.samples, every: 0 } });
    expect(silent.plan(16 * gigabyte).neededBytes).toBeLessThan(plan.neededBytes);
    expect(() => new RunPlanner(base, spec).plan(1e6)).toThrow(
      expect.objectContaining({ code: 'memory', hint: expect.stringContaining('training.') }),
    );
  });

  it('offers to go without samples and validation where these are what does not fit', async () => {
    await paintAll(work, [[16, 16]]);
    const measured = { validation: { every: 1 }, samples: { every: 1, memory: 'beside' } };
    const spec = tinySpec(work, measured);
    const base = openBase(spec.base.name);
    const lean = { ...spec, training: { ...spec.training, memory: 'lean' as const } };
    const { neededBytes } = new RunPlanner(base, lean).plan(16 * gigabyte);
    expect(() => new RunPlanner(base, spec).plan(0.97 * neededBytes)).toThrow(
      expect.objectContaining({
        code: 'memory',
        hint: expect.stringMatching(/what would fit: .*samples\.every 0 with validation\.every 0 \(about/),
      }),
    );
  });
});
