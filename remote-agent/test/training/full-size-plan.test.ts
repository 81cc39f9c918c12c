import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Base } from '../../src/diffusion/base.ts';
import { importBase } from '../../src/diffusion/base-import.ts';
import { samplerBytes } from '../../src/diffusion/base-memory.ts';
import { forwardGraph } from '../../src/diffusion/denoiser.ts';
import { weightBytes } from '../../src/onnx/weights.ts';
import { usableShare } from '../../src/training/memory-plan.ts';
import { RunPlanner } from '../../src/training/run-plan.ts';
import { ownHome } from '../diffusion/checkpoint-outputs.ts';
import { fullSizeShapes, writeHeader } from '../diffusion/random-checkpoint.ts';
import { paintAll, tinySpec } from './runs.ts';

const home = ownHome();
const gibibyte = 2 ** 30;

/** Parameters of SDXL's parts, in thousands of millions, as diffusers counts them. */
const counts = { unet: 2.567, text: 0.123 + 0.695, decoder: 0.05 };

/** Full-size SDXL in F16, whose numbers are all zero and take no room: planning reads none. */
let base: Base;
let planner: RunPlanner;
beforeAll(async () => {
  const path = join(home, 'full.safetensors');
  writeHeader(path, fullSizeShapes('sdxl'), 'F16');
  base = importBase(path, 'full');
  await paintAll(home, [[16, 16]]);
  const defaults = { base: 'full', method: { name: 'lora' }, samples: {}, validation: { every: 50 } };
  const spec = tinySpec(home, { ...defaults, training: { steps: 1000 } });
  expect(spec.training).toMatchObject({ precision: 'auto', memory: 'auto', resolution: null, batch: 1 });
  expect([spec.samples.every, spec.samples.prompts.length > 0, spec.method.layers]).toEqual([
    100,
    true,
    'attention',
  ]);
  planner = new RunPlanner(base, { ...spec, device: 'cuda' });
});

/** Gigabytes that a note tells of each part of a run. */
const told = (note: string | undefined) =>
  /^Training \((.*) GB\), validation \((.*) GB\) and sampler \((.*) GB, part by part (.*) GB\)/
    .exec(note ?? '')!
    .slice(1)
    .map(Number);

describe('the default run of full-size SDXL at 1024 px, LoRA on its attention layers, on CUDA', () => {
  it('is planned on a card of 24 GB, one part at a time, each told with its own figure', () => {
    const free = 23.6 * gibibyte;
    const plan = planner.plan(free);
    expect(plan.turns).toBe(true);
    expect(plan.neededBytes).toBeLessThan(usableShare * free);
    expect(plan.note).not.toMatch(/may fail/);
    const [step, validation, sampler, part] = told(plan.note) as [number, number, number, number];
    // Weights in half precision once, and activations of which attention keeps no probabilities.
    for (const bytes of [validation, part]) {
      expect(bytes).toBeGreaterThan(2 * counts.unet);
      expect(bytes).toBeLessThan(2 * counts.unet + 2);
    }
    expect(sampler).toBeGreaterThan(part + 4 * counts.text + 4 * counts.decoder);
    expect(step).toBeCloseTo(plan.neededBytes / 1e9, 1);
  });

  it('is planned in fast on a card of 40 GB', () => {
    const free = 39.5 * gibibyte;
    const plan = planner.plan(free);
    expect(plan.mode).toBe('fast');
    expect(plan.neededBytes).toBeLessThan(usableShare * free);
    expect(plan.note ?? '').not.toMatch(/may fail/);
  });

  it('is planned in lean on a card of 16 GB of which some is taken', () => {
    const plan = planner.plan(13 * gibibyte);
    expect(plan).toMatchObject({ mode: 'lean', turns: true });
    expect(plan.note).toContain('"auto" took "lean"');
    expect(plan.note).not.toMatch(/may fail/);
  });
});

describe('the U-Net of full-size SDXL that draws in half precision', () => {
  it('holds its weights as they are stored: two bytes each', () => {
    const shape = { batch: 2, latentHeight: 128, latentWidth: 128, tokens: 77 };
    const bytes = weightBytes(forwardGraph(base, shape, { precision: 'f16' }));
    expect(bytes / 2e9).toBeCloseTo(counts.unet, 2);
  });

  it('finds room on a card of 24 GB with text encoders and VAE loaded beside it', () => {
    const { together } = samplerBytes(base, undefined, { device: 'cuda', precision: 'f16' });
    expect(together).toBeLessThan(usableShare * 23.6 * gibibyte);
  });
});
