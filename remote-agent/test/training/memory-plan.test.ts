import { describe, expect, it } from 'vitest';
import { openBase } from '../../src/diffusion/base.ts';
import { forwardBytes, samplerBytes } from '../../src/diffusion/base-memory.ts';
import { trainingBytes } from '../../src/diffusion/training-memory.ts';
import { memoryAtHand, parseFreeMemory } from '../../src/runtime/memory.ts';
import { planMemory } from '../../src/training/memory-plan.ts';

const gigabyte = 1e9;
const needs = { step: 4 * gigabyte, validation: 2 * gigabyte, sampler: 3 * gigabyte };

describe('the sessions of a run', () => {
  it('stay side by side where the memory holds them all', () => {
    expect(planMemory('auto', 1, needs, 11 * gigabyte)).toEqual({ turns: false, engines: 1 });
    expect(planMemory('auto', 2, needs, 16 * gigabyte)).toEqual({ turns: false, engines: 2 });
  });

  it('take turns where it does not, and say so with figures', () => {
    const { note, ...plan } = planMemory('auto', 1, needs, 10 * gigabyte);
    expect(plan).toEqual({ turns: true, engines: 1 });
    for (const figure of ['4.0 GB', '2.0 GB', '3.0 GB', '10.0 GB']) expect(note).toContain(figure);
  });

  it('count what is kept for pictures of several sizes, at most three', () => {
    expect(planMemory('auto', 9, needs, 100 * gigabyte)).toEqual({ turns: false, engines: 3 });
    expect(planMemory('auto', 9, needs, 19 * gigabyte)).toMatchObject({ turns: true, engines: 3 });
    expect(planMemory('auto', 9, needs, 12 * gigabyte)).toMatchObject({ turns: true, engines: 2 });
  });

  it('warn where even one of them is too large', () => {
    const plan = planMemory('auto', 3, needs, 3 * gigabyte);
    expect(plan).toMatchObject({ turns: true, engines: 1 });
    expect(plan.note).toContain('training.resolution');
  });

  it('follow the setting', () => {
    expect(planMemory('beside', 2, needs, 1)).toEqual({ turns: false, engines: 2 });
    expect(planMemory('turns', 2, needs, 100 * gigabyte)).toEqual({ turns: true, engines: 2 });
  });

  it('of a small base stay side by side where nobody tells the memory, those of a large one do not', () => {
    const small = { step: 2e8, validation: 5e7, sampler: 1e8 };
    expect(planMemory('auto', 1, small, undefined).turns).toBe(false);
    expect(planMemory('auto', 1, needs, undefined).turns).toBe(true);
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
    expect(samplerBytes(base)).toBeGreaterThan(forwardBytes(base, { ...sizes, batch: 2 }) + 4 * 0.9e6);
  });
});
