import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, it, vi } from 'vitest';
import { decodeAdapter } from '../../src/adapters/adapter.ts';
import { methodByName } from '../../src/adapters/methods.ts';
import { decodeSafetensors, encodeSafetensors } from '../../src/adapters/safetensors.ts';
import { inspectCommand } from '../../src/cli/adapter-commands.ts';
import { Batches, noiseSettings, shownExamples } from '../../src/training/batches.ts';
import type { Coefficients, StepBatch, StepEngine } from '../../src/training/engine.ts';
import { ExampleLoader } from '../../src/training/examples.ts';
import type { MemoryPlan } from '../../src/training/memory-plan.ts';
import { RunSessions } from '../../src/training/sessions.ts';
import { planFor } from '../../src/training/settings.ts';
import { goldenPath, tinyBase } from './golden.ts';
import { placesFor } from './places.ts';
import { notes, paintAll, run, tinySpec } from './runs.ts';

const place = placesFor('features');

const square = [64, 64] as const;
const bytesOf = (path: string) => readFileSync(path).toString('base64');

describe('the order in which pictures are shown', () => {
  it('holds one group in each batch and shows every picture equally often in a period', () => {
    const counts = [11, 3, 1];
    const shown = counts.map((n) => new Array<number>(n).fill(0));
    const groups: number[] = [];
    for (let position = 15; position < 60; position++) {
      const { group, examples } = shownExamples(7, counts, 4, position);
      expect(examples).toHaveLength(4);
      groups.push(group);
      for (const at of examples) shown[group]![at]!++;
    }
    // Three periods of fifteen batches, each of which shows every picture as often as a batch holds pictures.
    expect(shown).toEqual(counts.map((n) => new Array<number>(n).fill(12)));
    const periods = [0, 15, 30].map((from) => groups.slice(from, from + 15).join());
    expect(new Set(periods).size, 'different orders').toBeGreaterThan(1);
    for (const period of [0, 15, 30].map((from) => groups.slice(from, from + 15))) {
      const entered = period.filter((group, i) => group !== period[i - 1]);
      expect([...entered].sort(), 'each size is entered once').toEqual([0, 1, 2]);
    }
  });

  it('has pictures of a size in a new order each time, which the seed decides', () => {
    const order = (seed: number) =>
      Array.from({ length: 40 }, (_, position) => shownExamples(seed, [6, 4], 1, position));
    expect(order(1)).toEqual(order(1));
    expect(order(2)).not.toEqual(order(1));
    const ofSix = order(1).flatMap(({ group, examples }) => (group === 0 ? examples : []));
    const epochs = [0, 6, 12, 18].map((from) => ofSix.slice(from, from + 6));
    for (const epoch of epochs) expect([...epoch].sort()).toEqual([0, 1, 2, 3, 4, 5]);
    expect(new Set(epochs.map((epoch) => epoch.join())).size).toBeGreaterThan(1);
  });

  it('is that of shuffled epochs where there is one size', () => {
    const seen = Array.from({ length: 6 }, (_, i) => shownExamples(0, [6], 1, 6 + i).examples[0]!);
    expect([...seen].sort()).toEqual([0, 1, 2, 3, 4, 5]);
    const pairs = Array.from({ length: 3 }, (_, i) => shownExamples(0, [6], 2, 3 + i).examples).flat();
    expect(pairs).toEqual(seen);
  });
});

describe('training in buckets', () => {
  it('learns from every size and lowers the loss that is measured on all of them', async () => {
    const directory = place();
    mkdirSync(join(directory, 'pictures'));
    for (const [i, [width, height]] of [
      [256, 256],
      [256, 160],
      [160, 256],
      [250, 160],
    ].entries())
      await sharp(goldenPath(`../../../examples/robot/robot-${i + 1}.png`))
        .resize(width, height, { fit: 'cover' })
        .png()
        .toFile(join(directory, 'pictures', `${i}.png`));
    const spec = tinySpec(directory, {
      base: 'pocket-sdxl',
      method: {},
      training: { crop: 'buckets', steps: 30, batch: 2, learningRate: 1e-2 },
      validation: { every: 10, timesteps: 3 },
    });
    const { events } = await run(directory, 'run', spec);
    expect(notes(events)).toContain('3 sizes: 80 x 48 (2), 48 x 80 (1), 64 x 64 (1)');
    const losses = events.flatMap((e) => (e.type === 'validation' ? [e.loss] : []));
    expect(losses).toHaveLength(3);
    expect(losses.at(-1)).toBeLessThan(0.97 * losses[0]!);

    // Each size was entered once an epoch, and what that took is told: the first time, and in all.
    const groups = Array.from({ length: 30 }, (_, i) => shownExamples(0, [2, 1, 1], 2, i).group);
    const training = groups.filter((group, i) => i > 0 && group !== groups[i - 1]).length;
    // Three measurements enter three sizes each, of which the first was there at the first.
    const measuring = 3 * 3 - 1;
    const finished = events.find((e) => e.type === 'finished')!;
    expect(finished.sizeChanges).toEqual({ count: training + measuring, seconds: expect.any(Number) });
    expect(finished.sizeChanges!.seconds).toBeGreaterThan(0);
    expect(finished.sizeChanges!.seconds).toBeLessThan(finished.seconds);
    expect(
      notes(events).match(/Changing from pictures of \d+ x \d+ to \d+ x \d+ took \d+\.\d s/g),
    ).toHaveLength(1);
  });

  it('holds one session at a time, and one that is made anew computes the same', async () => {
    const { method, batchOf, open } = await threeSizes();
    const sessions = open({ mode: 'fast', turns: false });
    const sizes = new Set<string>();
    let changes = 0;
    let before: { engine: StepEngine; coefficients: Coefficients; batch: StepBatch } | undefined;
    for (let step = 1; step <= 6; step++) {
      const { group, batch } = batchOf(step);
      sizes.add(`${group.width} x ${group.height}`);
      const engine = await sessions.step(group);
      const coefficients = await engine.coefficients(method.initialise(engine.plan, 0));
      const made = await engine.run(coefficients, batch);
      expect(made.gradient.some((x) => x !== 0)).toBe(true);
      if (before && before.engine !== engine) {
        changes++;
        await expect(before.engine.run(before.coefficients, before.batch)).rejects.toThrow(
          'already released',
        );
      }
      const alone = open({ mode: 'fast', turns: false });
      expect(await (await alone.step(group)).run(coefficients, batch)).toEqual(made);
      await alone.release();
      before = { engine, coefficients, batch };
    }
    expect(sizes.size).toBe(3);
    expect(sessions.changes).toEqual({ count: changes, seconds: expect.any(Number) });
    await sessions.release();
  });

  it('goes on from a state to the same bytes, wherever in an epoch that was saved', async () => {
    const directory = place();
    await paintAll(directory, [...new Array(3).fill([16, 16]), ...new Array(2).fill([20, 12])]);
    const spec = tinySpec(directory, { training: { crop: 'buckets', steps: 9, accumulation: 2 } });
    const whole = await run(directory, 'whole', spec);
    await run(directory, 'parts', spec, 2);
    await run(directory, 'parts', spec, 5);
    const { events, files } = await run(directory, 'parts', spec);
    expect(events).toContainEqual({ type: 'resumed', fromStep: 5 });
    expect(bytesOf(files.adapter)).toBe(bytesOf(whole.files.adapter));
  });

  it('does not go on from a state of the program whose order was another; of one size it does', async () => {
    for (const sizes of [[square, [80, 48]] as const, [square, square] as const]) {
      const directory = place();
      await paintAll(directory, sizes);
      const spec = tinySpec(directory, { training: { crop: 'buckets', steps: 4 } });
      const { files } = await run(directory, 'run', spec, 2);
      const { tensors, metadata } = decodeSafetensors(readFileSync(files.state), files.state);
      writeFileSync(files.state, encodeSafetensors(tensors, { ...metadata, format: 'para-studio.state/2' }));
      const again = run(directory, 'run', spec);
      if (sizes[1] === square) expect((await again).events.at(-1)).toMatchObject({ type: 'finished' });
      else
        await expect(again).rejects.toMatchObject({
          code: 'checkpoint',
          message: expect.stringContaining('another version'),
        });
    }
  });
});

/** Pictures of three sizes and a way to open sessions for them. */
async function threeSizes() {
  const directory = place();
  await paintAll(directory, [
    [20, 12],
    [12, 20],
    [16, 16],
  ]);
  const spec = tinySpec(directory, { training: { crop: 'buckets' } });
  const base = tinyBase();
  const loader = new ExampleLoader(base, spec, join(directory, 'cache'));
  await loader.check();
  const set = await loader.load(spec.pictures, 'training');
  await loader.release();
  const method = methodByName('para');
  const schedule = { alphasCumprod: Float32Array.from([0.9, 0.5, 0.1]), prediction: 'epsilon' } as const;
  const noise = noiseSettings(spec.training, schedule, base.latentChannels);
  const batchOf = (step: number) => new Batches(spec.training, set, noise).at(step, 0);
  const open = (memory: MemoryPlan) =>
    new RunSessions({ base, spec, method, plan: (layers) => planFor(spec, method, layers), memory });
  return { method, batchOf, open };
}

describe('validation', () => {
  it('on a share gives what naming the same pictures gives', async () => {
    const directory = place();
    await paintAll(directory, new Array(10).fill(square));
    const validation = { every: 3, timesteps: 2 };
    const shared = tinySpec(directory, { validation });
    expect(shared.validationPictures).toHaveLength(1);
    const pictures = shared.validationPictures.map(({ file }) => `pictures/${basename(file)}`);
    const named = tinySpec(directory, { validation: { ...validation, pictures } });
    const [a, b] = [await run(directory, 'shared', shared), await run(directory, 'named', named)];
    const losses = (events: typeof a.events) => events.filter((e) => e.type === 'validation');
    expect(losses(a.events)).toHaveLength(2);
    expect(losses(a.events)).toEqual(losses(b.events));
    expect(notes(a.events)).not.toContain('No picture is held out');
    expect(bytesOf(a.files.adapter)).toBe(bytesOf(b.files.adapter));
  });

  it('says so when it has to measure on the training pictures', async () => {
    const directory = place();
    await paintAll(directory, new Array(6).fill(square));
    const spec = tinySpec(directory, { training: { steps: 2 }, validation: { every: 2, timesteps: 1 } });
    expect(spec.validationPictures).toEqual([]);
    const { events } = await run(directory, 'run', spec);
    expect(notes(events)).toContain('No picture is held out');
  });
});

describe('the best checkpoint', () => {
  it('is the adapter of the step with the lowest validation loss', async () => {
    const directory = place();
    await paintAll(directory, new Array(5).fill(square));
    // A rate this high makes it better and worse by turns.
    const spec = tinySpec(directory, {
      method: { name: 'lora' },
      training: { steps: 24, learningRate: 0.03 },
      validation: { every: 2, timesteps: 2, share: 0.4 },
      checkpoints: { keep: [2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24] },
    });
    expect(spec.checkpoints.best).toBe(true);
    const { events, files } = await run(directory, 'run', spec);
    const measured = events.flatMap((e) => (e.type === 'validation' ? [e] : []));
    const lowest = measured.reduce((a, b) => (b.loss < a.loss ? b : a)).step;
    expect(lowest, 'the last step is not the best here').toBeLessThan(24);
    const kept = join(files.checkpoints, `step-${String(lowest).padStart(6, '0')}.safetensors`);
    const best = join(files.checkpoints, 'best.safetensors');
    expect(bytesOf(best)).toBe(bytesOf(kept));
    expect(bytesOf(best)).not.toBe(bytesOf(files.adapter));
    // One event for each time it was lowered.
    const lowered = measured.filter((e, i) => measured.slice(0, i).every((before) => e.loss < before.loss));
    const told = events.flatMap((e) => (e.type === 'checkpoint' && e.best ? [e.step] : []));
    expect(told).toEqual(lowered.map((e) => e.step));

    // Stopped just after the best step, and resumed: what follows must not take its place.
    await run(directory, 'stopped', spec, lowest + 1);
    const resumed = await run(directory, 'stopped', spec);
    expect(resumed.events).toContainEqual({ type: 'resumed', fromStep: lowest + 1 });
    expect(bytesOf(join(resumed.files.checkpoints, 'best.safetensors'))).toBe(bytesOf(best));
    expect(bytesOf(resumed.files.adapter)).toBe(bytesOf(files.adapter));
  });

  it('is kept by default only where pictures are held out', async () => {
    const directory = place();
    await paintAll(directory, new Array(3).fill(square));
    expect(tinySpec(directory, { validation: { every: 2 } }).checkpoints.best).toBe(false);
    expect(tinySpec(directory, { validation: { every: 2, share: 0.3 } }).checkpoints.best).toBe(true);
    expect(tinySpec(directory, { validation: { every: 0, share: 0.3 } }).checkpoints.best).toBe(false);
    const asked = { validation: { every: 2 }, checkpoints: { best: true } };
    expect(tinySpec(directory, asked).checkpoints.best).toBe(true);
  });
});

describe('an adapter file', () => {
  it('carries trigger words and a small copy of the first picture, of which para inspect tells the size', async () => {
    const directory = place();
    const [first] = await paintAll(directory, [
      [384, 256],
      [64, 64],
    ]);
    const { files } = await run(directory, 'run', tinySpec(directory, { trigger: 'vex' }));
    const { info } = decodeAdapter(readFileSync(files.adapter), files.adapter);
    expect(info.triggerWords).toEqual(['vex']);
    const [head, data] = info.thumbnail!.split(',') as [string, string];
    expect(head).toBe('data:image/jpeg;base64');
    expect(info.thumbnail!.length).toBeLessThanOrEqual(16_384);
    const shown = sharp(Buffer.from(data, 'base64'));
    expect(await shown.metadata()).toMatchObject({ width: 128, height: 128 });
    const wanted = await sharp(first).resize(128, 128, { fit: 'cover' }).raw().toBuffer();
    const found = await shown.raw().toBuffer();
    const difference = found.reduce((sum, x, i) => sum + Math.abs(x - wanted[i]!), 0) / found.length;
    expect(difference, 'mean difference of 8-bit values').toBeLessThan(6);

    let said = '';
    const written = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
      said += String(text);
      return true;
    });
    try {
      inspectCommand(files.adapter, { base: goldenPath('bases/tiny-optimum') });
    } finally {
      written.mockRestore();
    }
    expect(said).toMatch(/modelspec\.thumbnail: image\/jpeg, \d+(\.\d+)? K?B\n/);
    expect(said).not.toContain('base64');
    expect(said).toContain('modelspec.trigger_phrase: vex');
  });

  it('carries no picture when asked not to, and none over 16 KB however busy it is', async () => {
    const directory = place();
    await paintAll(directory, [square]);
    const { files } = await run(
      directory,
      'without',
      tinySpec(directory, { thumbnail: false, training: { steps: 1 } }),
    );
    expect(decodeAdapter(readFileSync(files.adapter), '').info.thumbnail).toBeUndefined();
    const noise = Uint8Array.from({ length: 3 * 512 * 512 }, (_, i) => (i * 2654435761) >>> 24);
    await sharp(noise, { raw: { width: 512, height: 512, channels: 3 } })
      .png()
      .toFile(join(directory, 'pictures', 'a-noise.png'));
    const busy = await run(directory, 'with', tinySpec(directory, { training: { steps: 1 } }));
    const { thumbnail } = decodeAdapter(readFileSync(busy.files.adapter), '').info;
    expect(thumbnail!.length).toBeLessThanOrEqual(16_384);
    expect(thumbnail!.length).toBeGreaterThan(1000);
  });
});

describe('sampler and training', () => {
  it('give the same adapter, samples and losses side by side and in turns', async () => {
    const directory = place();
    await paintAll(directory, [
      [16, 16],
      [20, 12],
      [16, 16],
    ]);
    const made: Record<string, { events: string; files: string[] }> = {};
    for (const memory of ['beside', 'turns']) {
      const spec = tinySpec(directory, {
        training: { crop: 'buckets', batch: 2, steps: 8 },
        validation: { every: 3, timesteps: 2 },
        samples: { every: 4, steps: 2, prompts: ['a thing', 'a zwx thing'], memory },
      });
      const { events, files } = await run(directory, memory, spec);
      const told = events.flatMap((e) =>
        e.type === 'step' || e.type === 'validation' ? [[e.step, e.loss]] : [],
      );
      const samples = events.flatMap((e) => (e.type === 'sample' ? [e.file] : []));
      expect(samples).toHaveLength(4);
      made[memory] = { events: JSON.stringify(told), files: [files.adapter, ...samples].map(bytesOf) };
    }
    expect(made.turns).toEqual(made.beside);
  });

  it('in turns free each other, and side by side do not', async () => {
    const { method, batchOf, open } = await threeSizes();
    const { group, batch } = batchOf(1);
    for (const turns of [true, false]) {
      const sessions = open({ mode: 'fast', turns });
      const engine = await sessions.step(group);
      const coefficients = await engine.coefficients(method.initialise(engine.plan, 0));
      const before = await engine.run(coefficients, batch);
      await sessions.sampler(engine.plan);
      if (turns) await expect(engine.run(coefficients, batch)).rejects.toThrow('already released');
      else expect(await engine.run(coefficients, batch)).toEqual(before);
      const again = await sessions.step(group);
      expect(again === engine).toBe(!turns);
      expect(await again.run(coefficients, batch)).toEqual(before);
      await sessions.release();
    }
  });
});
