import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { normals } from '../../src/common/random.ts';
import { NoiseAhead } from '../../src/training/noise-ahead.ts';
import { type NoiseSettings, noised } from '../../src/training/noised.ts';
import { clipFactor, Optimizer, type OptimizerSettings } from '../../src/training/optimizer.ts';
import { OptimizerThreads } from '../../src/training/optimizer-threads.ts';
import { placesFor } from './places.ts';
import { paintAll, run, tinySpec } from './runs.ts';

const bundle = (name: string) => fileURLToPath(new URL(`../../dist/${name}.js`, import.meta.url));

const begun: { release(): Promise<void> }[] = [];
afterEach(async () => {
  for (const each of begun.splice(0)) await each.release();
});

describe('an optimiser with threads', () => {
  // Not a whole number of chunks, and not a multiple of what is summed at once.
  const length = 300_007;
  const adamw = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01 };
  const gradientOf = (step: number) => normals(step, 'gradient', length);

  async function updated(settings: OptimizerSettings, threads: OptimizerThreads | undefined) {
    if (threads) begun.push(threads);
    const optimizer = new Optimizer(length, settings, threads);
    const parameters = normals(1, 'parameters', length);
    const norms: number[] = [];
    for (let step = 1; step <= 4; step++) {
      const gradient = gradientOf(step);
      norms.push(optimizer.norm(gradient));
      optimizer.update(parameters, gradient, 0.01 / step, clipFactor(norms.at(-1)!, 1));
    }
    return { norms, parameters, m: optimizer.m.slice(), v: optimizer.v.slice() };
  }

  it.each(['adamw', 'sgd'] as const)('has the bits of one without: %s', async (kind) => {
    const alone = await updated({ ...adamw, kind }, undefined);
    for (const count of [0, 1, 5]) {
      const shared = await updated(
        { ...adamw, kind },
        new OptimizerThreads(length, bundle('optimizer-worker'), count),
      );
      expect(shared.norms, `${count} threads`).toEqual(alone.norms);
      for (const name of ['parameters', 'm', 'v'] as const)
        expect(Buffer.compare(bytes(shared[name]), bytes(alone[name])), `${name}, ${count} threads`).toBe(0);
    }
    expect(alone.norms[0]).toBeCloseTo(Math.sqrt(length), -1);
  });

  it('goes on from a saved state to the same bits', async () => {
    const threads = new OptimizerThreads(length, bundle('optimizer-worker'), 2);
    begun.push(threads);
    const settings = { ...adamw, kind: 'adamw' } as const;
    const alone = new Optimizer(length, settings);
    const parameters = normals(1, 'parameters', length);
    alone.update(parameters, gradientOf(1), 0.01);
    const shared = new Optimizer(length, settings, threads);
    const same = parameters.slice();
    shared.restore(alone.m, alone.v, alone.updates);
    alone.update(parameters, gradientOf(2), 0.01);
    shared.update(same, gradientOf(2), 0.01);
    expect(Buffer.compare(bytes(same), bytes(parameters))).toBe(0);
  });

  it('takes a gradient that is no number as it is', async () => {
    const threads = new OptimizerThreads(length, bundle('optimizer-worker'), 1);
    begun.push(threads);
    const gradient = gradientOf(1);
    gradient[length - 1] = Number.NaN;
    expect(new Optimizer(length, { ...adamw, kind: 'adamw' }, threads).norm(gradient)).toBeNaN();
  });
});

describe('a run of a large adapter', () => {
  const place = placesFor('threads');

  it('is trained, stopped and gone on with to the same bytes with threads', async () => {
    const directory = place();
    await paintAll(directory, [[64, 64]]);
    const spec = tinySpec(directory, {
      ...{ base: 'pocket-sdxl', method: { name: 'lora', rank: 96 } },
      ...{ training: { steps: 4, resolution: 64 }, checkpoints: { every: 2 } },
    });
    const alone = await run(directory, 'alone', spec);
    const started = alone.events.find((event) => event.type === 'started');
    expect(started!.parameters).toBeGreaterThan(2 ** 20);
    const programs = { optimizer: bundle('optimizer-worker') };
    await run(directory, 'shared', spec, 2, programs);
    const { files, events } = await run(directory, 'shared', spec, undefined, programs);
    expect(events).toContainEqual({ type: 'resumed', fromStep: 2 });
    const [a, b] = [alone.files, files].map(({ adapter }) => readFileSync(adapter));
    expect(a!.equals(b!)).toBe(true);
  });
});

describe('noise that is made ahead', () => {
  const settings: NoiseSettings = {
    ...{ seed: 7, channels: 4, captionDropout: 0.3, noiseOffset: 0.1, minSnrGamma: 5 },
    schedule: { alphasCumprod: Float32Array.from([0.9, 0.5, 0.1]), prediction: 'v_prediction' },
  };
  const shown = (step: number, pass = 0) => ({
    ...{ step, pass },
    latents: [normals(step, 'a', 256), normals(step, 'b', 256)],
  });

  it('is what is made when it is needed, asked for or not, repeated or left out', () => {
    const ahead = new NoiseAhead(settings, bundle('noise-worker'));
    begun.push(ahead);
    const same = (step: number, pass = 0) =>
      expect(ahead.take(shown(step, pass)), `step ${step}, pass ${pass}`).toEqual(
        noised(settings, shown(step, pass)),
      );
    same(1);
    ahead.ask(shown(1, 1));
    same(1, 1);
    // A step that is made again, as after an overflow, asks again for the one behind it.
    ahead.ask(shown(2));
    same(1, 1);
    ahead.ask(shown(2));
    same(2);
    ahead.ask(shown(3));
    same(3);
    // One that was asked for and is not needed.
    ahead.ask(shown(4));
    same(9);
    ahead.ask(shown(10));
    same(10);
  });
});

const bytes = ({ buffer, byteOffset, byteLength }: Float32Array) =>
  new Uint8Array(buffer, byteOffset, byteLength);
