import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { baseWeights } from '../../src/adapters/base-weights.ts';
import { methodByName } from '../../src/adapters/methods.ts';
import { decodeSafetensors } from '../../src/adapters/safetensors.ts';
import { generateCommand } from '../../src/cli/generate.ts';
import { pngText } from '../../src/dataset/png-text.ts';
import { alphasCumprod } from '../../src/diffusion/schedulers/noise-levels.ts';
import { jobFiles } from '../../src/jobs/job.ts';
import { Batches, noiseSettings } from '../../src/training/batches.ts';
import { StepEngine } from '../../src/training/engine.ts';
import type { TrainEvent } from '../../src/training/events.ts';
import { ExampleLoader } from '../../src/training/examples.ts';
import { learningRateAt } from '../../src/training/learning-rate.ts';
import { noisedExample } from '../../src/training/objective.ts';
import { clipFactor } from '../../src/training/optimizer.ts';
import { norm } from '../../src/training/optimizer-arithmetic.ts';
import { planFor } from '../../src/training/settings.ts';
import { train } from '../../src/training/train.ts';
import { tinyBase } from './golden.ts';
import { placesFor } from './places.ts';
import { paintAll, run, tinySpec } from './runs.ts';

const place = placesFor('settings');

describe('the learning rate', () => {
  const rates = (...[kind, total, warmup]: ['constant' | 'cosine' | 'linear', number, number]) =>
    Array.from({ length: total }, (_, i) => Number(learningRateAt(kind, 1, i + 1, total, warmup).toFixed(6)));

  it('rises over the warm-up and stays', () => {
    expect(rates('constant', 6, 4)).toEqual([0.25, 0.5, 0.75, 1, 1, 1]);
  });
  it('falls in a straight line, and the last update still learns', () => {
    expect(rates('linear', 4, 0)).toEqual([0.8, 0.6, 0.4, 0.2]);
    expect(rates('linear', 5, 2)).toEqual([0.5, 1, 0.75, 0.5, 0.25]);
  });
  it('falls along half a cosine', () => {
    expect(rates('cosine', 3, 0)).toEqual([0.853553, 0.5, 0.146447]);
  });
});

describe('a LoRA run', () => {
  it("applies with the scale its subject file names: a number, or the PaRa paper's", async () => {
    const directory = place();
    await paintAll(directory, [[16, 16]]);
    const spec = tinySpec(directory, { method: { name: 'lora', layers: 'up_blocks.**.attn{1,2}.to_*' } });
    const { layers } = baseWeights(tinyBase().unet.path);
    const scaleOf = (method: Partial<(typeof spec)['method']>) =>
      planFor({ ...spec, method: { ...spec.method, ...method } }, methodByName('lora'), layers).scale;
    expect(scaleOf({})).toBe(1);
    expect(scaleOf({ scale: 0.5 })).toBe(0.5);
    expect(scaleOf({ scale: 'paper' })).toBe(2.2);
    expect(scaleOf({ rank: 8, alpha: 4 })).toBe(0.5);
  });
});

describe('an example with noise', () => {
  const latent = Float32Array.of(2, -1);
  const noise = Float32Array.of(0.5, 3);

  it('is weighed by min-SNR as its paper says', () => {
    const weight = (alpha: number, kind: 'epsilon' | 'v_prediction', gamma: number | null) =>
      noisedExample(latent, noise, alpha, kind, gamma).weight;
    // Signal to noise is 9 at 0.9 and 1 at 0.5.
    expect(weight(0.9, 'epsilon', 5)).toBeCloseTo(5 / 9, 12);
    expect(weight(0.5, 'epsilon', 5)).toBe(1);
    expect(weight(0.9, 'v_prediction', 5)).toBeCloseTo(5 / 10, 12);
    expect(weight(0.5, 'v_prediction', 5)).toBeCloseTo(1 / 2, 12);
    expect(weight(0.9, 'epsilon', null)).toBe(1);
    expect(() => weight(0.9, 'epsilon', 0)).toThrow(expect.objectContaining({ code: 'settings' }));
  });

  it('aims at the noise, or at the velocity', () => {
    // sqrt(0.64) = 0.8, sqrt(0.36) = 0.6
    const epsilon = noisedExample(latent, noise, 0.64, 'epsilon', null);
    for (const [found, wanted] of [
      [epsilon.noisy, [0.8 * 2 + 0.6 * 0.5, 0.8 * -1 + 0.6 * 3]],
      [epsilon.target, [0.5, 3]],
      [noisedExample(latent, noise, 0.64, 'v_prediction', null).target, [0.8 * 0.5 - 0.6 * 2, 0.8 * 3 + 0.6]],
    ] as const)
      for (const [i, value] of wanted.entries()) expect(found[i]).toBeCloseTo(value, 6);
  });
});

/** The examples of a run over one picture, and the batch of a step with these settings. */
async function examplesOf(directory: string, training: Record<string, unknown>) {
  await paintAll(directory, [[16, 16]]);
  const spec = tinySpec(directory, { training });
  const base = tinyBase();
  const loader = new ExampleLoader(base, spec, join(directory, 'cache'));
  await loader.check();
  const set = await loader.load(spec.pictures, 'training');
  await loader.release();
  const schedule = { alphasCumprod: alphasCumprod(base.scheduler), prediction: base.predictionType };
  const batch = (changes: Partial<typeof spec.training>, step = 1, pass = 0) => {
    const training = { ...spec.training, ...changes };
    return new Batches(training, set, noiseSettings(training, schedule, base.latentChannels)).at(step, pass);
  };
  return { spec, base, set, batch };
}

describe('a batch', () => {
  it('has noise that is shifted by one amount per channel where an offset is set', async () => {
    const { base, batch } = await examplesOf(place(), {});
    const plain = batch({}).batch.target;
    const shifted = batch({ noiseOffset: 0.1 }).batch.target;
    const plane = plain.length / base.latentChannels;
    const shifts = Array.from(
      { length: base.latentChannels },
      (_, c) => shifted[c * plane]! - plain[c * plane]!,
    );
    for (const [i, value] of shifted.entries())
      expect(value - plain[i]!).toBeCloseTo(shifts[Math.floor(i / plane)]!, 5);
    expect(new Set(shifts.map((s) => s.toFixed(4))).size).toBe(base.latentChannels);
    expect(Math.max(...shifts.map(Math.abs))).toBeLessThan(0.5);
  });

  it('shows the empty caption as often as captions are dropped', async () => {
    const { set, batch } = await examplesOf(place(), {});
    const { hidden } = set.groups[0]!.examples[0]!;
    const dropped = (captionDropout: number) =>
      Array.from({ length: 40 }, (_, i) => batch({ captionDropout }, i + 1).batch.hidden).filter((shown) => {
        const empty = shown.every((x, i) => x === set.empty.hidden[i]);
        expect(empty || shown.every((x, i) => x === hidden[i])).toBe(true);
        return empty;
      }).length;
    expect(dropped(0)).toBe(0);
    expect(dropped(1)).toBe(40);
    expect(dropped(0.25)).toBeGreaterThan(2);
    expect(dropped(0.25)).toBeLessThan(20);
  });
});

describe('an update', () => {
  it('is made of the mean gradient of its passes, cut to the largest norm', async () => {
    const directory = place();
    const clip = 1e-3;
    const training = { accumulation: 3, optimizer: 'sgd', learningRate: 0.5, clip, steps: 1 };
    const { spec, base, batch } = await examplesOf(directory, training);
    const { files, events } = await run(directory, 'run', spec);

    // The same by hand, from the gradients of the three passes.
    const method = methodByName('para');
    const passes = [0, 1, 2].map((pass) => batch({}, 1, pass).batch);
    const { latentHeight, latentWidth, tokens } = batch({}).group;
    const engine = await StepEngine.create({
      ...{ base, method, device: 'cpu', plan: (layers) => planFor(spec, method, layers) },
      shapes: { batch: 1, latentChannels: base.latentChannels, latentHeight, latentWidth, tokens },
    });
    const start = method.initialise(engine.plan, spec.training.seed);
    const coefficients = await engine.coefficients(start);
    const mean = new Float32Array(start.length);
    for (const pass of passes) {
      const { gradient } = await engine.run(coefficients, pass);
      for (const [i, g] of (await engine.pullback(coefficients, gradient)).entries())
        mean[i] = mean[i]! + g / 3;
    }
    const length = norm(mean);
    expect(length).toBeGreaterThan(clip);
    for (const [i, g] of mean.entries()) mean[i] = g * clipFactor(length, clip);
    expect(norm(mean)).toBeCloseTo(clip, 9);
    const step = events.find((e) => e.type === 'step')!;
    expect(step).toMatchObject({ step: 1, gradientNorm: expect.closeTo(length, 6), learningRate: 0.5 });
    const { tensors } = decodeSafetensors(readFileSync(files.adapter));
    const wanted = method.tensors(
      engine.plan,
      start.map((x, i) => x - 0.5 * mean[i]!),
    );
    for (const [name, { data }] of wanted)
      for (const [i, value] of data.entries())
        expect(tensors.get(`unet.${name}`)!.data[i]).toBeCloseTo(value, 7);
    await engine.release();
  });
});

describe('a run whose loss is no number any more', () => {
  it('stops, keeps its last state, and says what to change', async () => {
    const directory = place();
    await paintAll(directory, [[16, 16]]);
    const spec = tinySpec(directory, {
      method: { name: 'lora' },
      training: { steps: 9 },
      checkpoints: { every: 2 },
    });
    const { files } = await run(directory, 'run', { ...spec, training: { ...spec.training, steps: 4 } });
    const before = readFileSync(files.state);
    // A rate that no subject file may ask for, so that the next update breaks the parameters.
    const broken = { ...spec, training: { ...spec.training, learningRate: 1e38, clip: 0 } };
    const failure = await run(directory, 'run', broken).catch((cause: unknown) => cause);
    expect(failure).toMatchObject({
      code: 'not-a-number',
      message: expect.stringMatching(/no number any more at step [67]$/),
      where: `last good state: step 4, in ${files.state}`,
      hint: expect.stringContaining('training.learningRate'),
    });
    expect(readFileSync(files.state)).toEqual(before);
  });
});

describe('the saved state of a run', () => {
  it('is refused where the settings were changed under it', async () => {
    const directory = place();
    await paintAll(directory, [[16, 16]]);
    const spec = tinySpec(directory, { training: { steps: 2 } });
    const { files } = await run(directory, 'run', spec);
    const wider = { ...spec, method: { ...spec.method, rank: 3 } };
    await expect(run(directory, 'run', wider)).rejects.toMatchObject({
      code: 'checkpoint',
      where: files.state,
    });
  });
});

describe('a run on a base that was changed since it was made', () => {
  it('is refused with both hashes', async () => {
    const directory = place();
    await paintAll(directory, [[16, 16]]);
    const spec = tinySpec(directory, {});
    const changed = { ...spec, base: { ...spec.base, hash: 'f'.repeat(64) } };
    const where = `now ${spec.base.hash.slice(0, 12)}, then ffffffffffff`;
    await expect(run(directory, 'run', changed)).rejects.toMatchObject({ code: 'base', where });
  });
});

describe('a run that is asked to stop while it reads its pictures', () => {
  it('stops before the first step, and keeps the state it has', async () => {
    const directory = place();
    await paintAll(directory, [[16, 16]]);
    const spec = tinySpec(directory, { training: { steps: 2 } });
    const files = jobFiles(join(directory, 'run'));
    const stopped = async () => {
      const events: TrainEvent[] = [];
      const hooks = { emit: (event: TrainEvent) => events.push(event), shouldStop: () => true };
      expect(await train(spec, files, hooks)).toBe('stopped');
      expect(events.filter((e) => e.type === 'phase').map((e) => e.name)).toEqual(['encode pictures']);
      return events.at(-1);
    };
    expect(await stopped()).toEqual({ type: 'stopped', step: 0 });
    await run(directory, 'run', spec);
    const state = readFileSync(files.state);
    expect(await stopped()).toEqual({ type: 'stopped', step: 2 });
    expect(readFileSync(files.state)).toEqual(state);
  });
});

describe('the events of a run', () => {
  it('tell loss, smoothed loss, learning rate, gradient norm, time and memory of every step', async () => {
    const directory = place();
    await paintAll(directory, [[16, 16]]);
    const spec = tinySpec(directory, { training: { steps: 4, warmup: 4, learningRate: 0.004 } });
    const { events } = await run(directory, 'run', spec);
    const steps = events.flatMap((e) => (e.type === 'step' ? [e] : []));
    expect(steps.map((e) => e.learningRate)).toEqual([0.001, 0.002, 0.003, 0.004]);
    let smoothed = steps[0]!.loss;
    for (const e of steps) {
      smoothed = e.step === 1 ? e.loss : 0.95 * smoothed + 0.05 * e.loss;
      expect(e.smoothedLoss).toBeCloseTo(smoothed, 10);
      expect(e.gradientNorm).toBeGreaterThan(0);
      expect(e.seconds).toBeGreaterThan(0);
      expect(e.memoryBytes).toBeGreaterThan(10_000_000);
    }
  });
});

describe('the samples of a run', () => {
  it.each(['para', 'lora'] as const)(
    'are what para generate draws with that checkpoint of %s',
    async (name) => {
      const directory = place();
      await paintAll(directory, [[16, 16]]);
      const spec = tinySpec(directory, {
        method: { name },
        training: { steps: 4, learningRate: 0.05 },
        samples: {
          every: 2,
          prompts: ['a (zwx:1.3) thing', 'grass'],
          steps: 3,
          scheduler: 'euler-ancestral',
          seed: 5,
        },
        checkpoints: { keep: [2] },
      });
      const { files, events } = await run(directory, 'run', spec);
      const { steps, guidance, scheduler } = spec.samples;
      const samples = events.flatMap((e) => (e.type === 'sample' ? [e] : []));
      expect(samples.map((e) => [e.step, e.seed])).toEqual([
        [2, 5],
        [2, 6],
        [4, 5],
        [4, 6],
      ]);
      for (const { step, prompt, seed, file } of samples) {
        const adapter = [step === 2 ? join(files.checkpoints, 'step-000002.safetensors') : files.adapter];
        const out = join(directory, `again-${step}-${seed}.png`);
        await generateCommand({
          base: spec.base.name,
          prompt,
          adapter,
          seed,
          steps,
          guidance,
          scheduler,
          count: 1,
          out,
        });
        expect(await pixels(out), file).toEqual(await pixels(file));
        expect(pngText(readFileSync(file), 'parameters')).toContain(`Seed: ${seed}`);
      }
      expect(await pixels(samples[0]!.file)).not.toEqual(await pixels(samples[2]!.file));
    },
  );
});

const pixels = (path: string) => sharp(path).raw().toBuffer();
