import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { encodeSafetensors } from '../../../remote-agent/src/adapters/safetensors.ts';
import { ParaError } from '../../../remote-agent/src/common/errors.ts';
import { EventLog, effectiveEvents, type LoggedEvent } from '../../../remote-agent/src/jobs/event-log.ts';
import type { TrainEvent } from '../../../remote-agent/src/training/events.ts';
import { linkEvents, noteLink } from '../../../src/runs/link-log.ts';
import { readAdapterHeader } from '../../../src/runs/panel/adapter-header.ts';
import { lowerBound, StepColumns } from '../../../src/runs/panel/columns.ts';
import { RunFollower } from '../../../src/runs/panel/follower.ts';
import { lossesFrom, lossesOf, lossTable } from '../../../src/runs/panel/losses.ts';
import { adapterOf, endOf, secondsAStep } from '../../../src/runs/panel/run-files.ts';
import { type RunChange, RunLog } from '../../../src/runs/panel/run-log.ts';
import { thin } from '../../../src/runs/panel/thin.ts';
import { unpackColumns } from '../../../webview/contract/packed.ts';

const step = (n: number, loss = 1 / n): TrainEvent => ({
  ...{ type: 'step', step: n, loss, smoothedLoss: 0.1, learningRate: 0.01 },
  ...{ gradientNorm: 1, seconds: 0.05, memoryBytes: 1000 },
});
const started: TrainEvent = { type: 'started', steps: 100, parameters: 10, layers: 2 };
const sample = (n: number, prompt: number): TrainEvent => ({
  ...{ type: 'sample', step: n, prompt: 'a dog', seed: 42 + prompt },
  file: `/run/samples/step-${String(n).padStart(6, '0')}-${prompt}.png`,
});
const logged = (events: readonly TrainEvent[], from = 1): LoggedEvent[] =>
  events.map((event, i) => ({ seq: from + i, time: '2026-01-01T00:00:00Z', ...event }) as LoggedEvent);
const stepsOf = (log: RunLog) => [...log.steps.column('step')];

describe('what a run panel makes of events', () => {
  test('keeps a column for each number of a step, however many there are', () => {
    const log = new RunLog([]);
    log.take(logged([started, ...Array.from({ length: 5000 }, (_, i) => step(i + 1))]));
    expect(log.steps.length).toBe(5000);
    expect(log.steps.column('loss')[4999]).toBe(1 / 5000);
    expect(log.started?.parameters).toBe(10);
  });

  test('takes back what a resumed run makes anew, and tells that it did', () => {
    const log = new RunLog(['a dog']);
    log.take(
      logged([started, step(1), step(2), sample(2, 0), { type: 'validation', step: 2, loss: 3 }, step(3)]),
    );
    const change = log.take(logged([{ type: 'resumed', fromStep: 1 }, step(2, 9)], 7));
    expect(change.rewound).toBe(true);
    expect(stepsOf(log)).toEqual([1, 2]);
    expect(log.steps.column('loss')[1]).toBe(9);
    expect(log.validation).toEqual([]);
    expect(log.samples).toEqual([]);
    expect(log.told.map(({ type }) => type)).toEqual(['started', 'resumed']);
  });

  test('comes to the same as the agent, whatever a run goes through and in whatever parts it is read', () => {
    const any = fc.oneof(
      fc.nat(30).map((n) => step(n + 1)),
      fc.nat(30).map((n): TrainEvent => ({ type: 'validation', step: n + 1, loss: n })),
      fc.nat(30).map((n): TrainEvent => ({ type: 'resumed', fromStep: n })),
      fc.constant(started),
    );
    fc.assert(
      fc.property(fc.array(any, { maxLength: 60 }), fc.integer({ min: 1, max: 10 }), (events, part) => {
        // A run's steps grow until it is resumed: what does not is no log of a run.
        let last = 0;
        const run = events.filter((event) => {
          if (event.type === 'started') last = 0;
          if (event.type === 'resumed') last = Math.min(last, event.fromStep);
          if (event.type === 'step') {
            if (event.step <= last) return false;
            last = event.step;
          }
          return true;
        });
        const all = logged(run);
        const log = new RunLog([]);
        for (let i = 0; i < all.length; i += part) log.take(all.slice(i, i + part));
        const effective = effectiveEvents(all);
        expect(stepsOf(log)).toEqual(effective.flatMap((e) => (e.type === 'step' ? [e.step] : [])));
        expect(log.validation.map((one) => one.step)).toEqual(
          effective.flatMap((e) => (e.type === 'validation' ? [e.step] : [])),
        );
      }),
    );
  });

  test('begins anew where a host tells everything again', () => {
    const log = new RunLog([]);
    log.take(logged([started, step(1), step(2)]));
    const { rewound, told } = log.take(logged([started, step(1, 7)]));
    expect(rewound).toBe(true);
    expect(told).toHaveLength(1);
    expect([...log.steps.column('loss')]).toEqual([7]);
  });

  test('tells a sample by the number of its prompt, two equal prompts apart', () => {
    const log = new RunLog(['a dog', 'a dog']);
    log.take(logged([started, sample(100, 1), sample(100, 0), sample(50, 0)]));
    expect(log.samples.map((one) => [one.step, one.prompt])).toEqual([
      [50, 0],
      [100, 0],
      [100, 1],
    ]);
  });

  test('knows the best validation loss, and how long a step takes without its pauses', () => {
    const log = new RunLog([]);
    const pause: TrainEvent = { ...step(4), seconds: 60 } as TrainEvent;
    const validations = [3, 1, 2].map((loss, i): TrainEvent => ({ type: 'validation', step: i + 1, loss }));
    log.take(logged([started, step(1), step(2), step(3), pause, ...validations]));
    expect(log.best).toEqual({ step: 2, loss: 1 });
    expect(log.secondsAStep).toBe(0.05);
  });
});

describe('losses on their way to a chart', () => {
  const many = (count: number) => {
    const steps = Float64Array.from({ length: count }, (_, i) => i + 1);
    const losses = Float64Array.from(steps, (n) => Math.abs(Math.sin(n * 12.9898) * 43758.5453) % 1);
    return { steps, losses };
  };

  test('loses no peak when they are thinned', () => {
    const { steps, losses } = many(100_000);
    losses[61_803] = 50;
    losses[31_415] = -50;
    const { rows, thinned } = thin(steps, losses, 4000);
    expect(thinned).toBe(true);
    expect(rows.length).toBeLessThanOrEqual(4002);
    expect([...rows]).toEqual([...new Set(rows)].sort((a, b) => a - b));
    expect([rows[0], rows.at(-1)]).toEqual([0, 99_999]);
    expect(rows).toContain(61_803);
    expect(rows).toContain(31_415);
  });

  test('are whole in a stretch that is short enough, with one point beyond each edge', () => {
    const { steps, losses } = many(100_000);
    const { rows, thinned } = thin(steps, losses, 4000, 500, 600);
    expect(thinned).toBe(false);
    expect([steps[rows[0]!], steps[rows.at(-1)!]]).toEqual([499, 601]);
    expect(rows).toHaveLength(103);
  });

  test('show in every stretch its lowest and its highest', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ noNaN: true }), { minLength: 1, maxLength: 500 }),
        fc.integer({ min: 2, max: 60 }),
        (values, points) => {
          const losses = Float64Array.from(values);
          const steps = Float64Array.from(values, (_, i) => i);
          const { rows } = thin(steps, losses, points);
          const shown = [...rows].map((row) => losses[row]!);
          expect(Math.min(...shown)).toBe(Math.min(...losses));
          expect(Math.max(...shown)).toBe(Math.max(...losses));
        },
      ),
    );
  });

  test('arrive as columns, and later ones as what is new', () => {
    const log = new RunLog([]);
    log.take(logged([started, step(1, 0.5), step(2, 0.25), { type: 'validation', step: 2, loss: 0.75 }]));
    const { losses, validation, lastStep } = lossesOf(log, { points: 100 });
    expect(unpackColumns(losses, 4).map((column) => [...column].slice(0, 2))[1]).toEqual([0.5, 0.25]);
    expect(unpackColumns(validation, 2).map((column) => [...column])).toEqual([[2], [0.75]]);
    expect(lastStep).toBe(2);
    const { stepsFrom, validationFrom } = log.take(logged([step(3, 0.125)], 5));
    const more = lossesFrom(log, stepsFrom, validationFrom);
    expect(unpackColumns(more.losses, 4).map((column) => [...column])[0]).toEqual([3]);
    expect(more.validation.byteLength).toBe(0);
  });

  test('are written as a table to the last digit', () => {
    const log = new RunLog([]);
    log.take(logged([started, step(1, 0.1234567890123), { type: 'validation', step: 1, loss: 0.5 }]));
    expect(lossTable([{ id: 'r', log }]).split('\n')).toEqual([
      'run,step,loss,smoothed_loss,learning_rate,gradient_norm,seconds,memory_bytes,validation_loss',
      'r,1,0.1234567890123,0.1,0.01,1,0.05,1000,0.5',
      '',
    ]);
  });

  test('are found by their step', () => {
    const columns = new StepColumns();
    for (const n of [1, 3, 5]) columns.add(step(n) as Parameters<StepColumns['add']>[0]);
    expect([0, 1, 2, 5, 6].map((n) => lowerBound(columns.column('step'), n))).toEqual([0, 0, 1, 2, 3]);
    expect(columns.cutAfter(3)).toBe(true);
    expect(columns.cutAfter(3)).toBe(false);
    expect([...columns.column('step')]).toEqual([1, 3]);
  });
});

describe('a run folder that is followed', () => {
  const folders: string[] = [];
  const followers: RunFollower[] = [];
  afterEach(() => {
    for (const follower of followers.splice(0)) follower.dispose();
    for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
  });
  const folder = () => {
    const made = mkdtempSync(join(tmpdir(), 'para-panel-'));
    folders.push(made);
    return made;
  };
  const follow = (directory: string) => {
    const log = new RunLog([]);
    const live: RunChange[] = [];
    const failures: unknown[] = [];
    const follower = new RunFollower(directory, log, {
      onChange: (change, isLive) => isLive && live.push(change),
      onLook: () => {},
      onFailure: (cause) => failures.push(cause),
    });
    followers.push(follower);
    return { log, live, failures, follower };
  };

  test('tells how long a step took at its end, from the end of its log alone', async () => {
    const directory = folder();
    expect(await secondsAStep(directory)).toBeUndefined();
    const steps = Array.from({ length: 3000 }, (_, i) => ({ ...step(i + 1), seconds: i < 2000 ? 9 : 0.05 }));
    const pause = { ...step(3001), seconds: 60 };
    const lines = logged([started, ...steps, pause]).map((event) => `${JSON.stringify(event)}\n`);
    writeFileSync(join(directory, 'events.jsonl'), `${lines.join('')}{"type":"st`);
    expect(await secondsAStep(directory)).toBe(0.05);
  });

  test('is looked at only when whoever made its follower has it', async () => {
    const directory = folder();
    let made: RunFollower | undefined;
    const looks: boolean[] = [];
    const follower = new RunFollower(directory, new RunLog([]), {
      onChange: () => {},
      onLook: () => looks.push(made !== undefined),
      onFailure: () => {},
    });
    const looking = follower.look();
    made = follower;
    followers.push(follower);
    await looking;
    expect(looks).toEqual([true]);
  });

  test('that cannot be looked at is told of once, and again after it could', async () => {
    const failures: string[] = [];
    let failing: string | undefined = 'gone';
    const follower = new RunFollower(folder(), new RunLog([]), {
      onChange: () => {},
      onLook: () => {
        if (failing) throw new Error(failing);
      },
      onFailure: (cause) => failures.push((cause as Error).message),
    });
    followers.push(follower);
    for (failing of ['gone', 'gone', 'locked', undefined, 'locked']) await follower.look();
    expect(failures).toEqual(['gone', 'locked', 'locked']);
  });

  test('is read to its end, in parts that leave others their turn', async () => {
    const directory = folder();
    const writer = new EventLog(join(directory, 'events.jsonl'));
    writer.append(started);
    const count = 20_000;
    writeFileSync(
      join(directory, 'events.jsonl'),
      logged([started, ...Array.from({ length: count }, (_, i) => step(i + 1))])
        .map((event) => `${JSON.stringify(event)}\n`)
        .join(''),
    );
    writer.close();
    const { log, follower, live } = follow(directory);
    let turns = 0;
    const others = setInterval(() => turns++, 0);
    await follower.look();
    clearInterval(others);
    expect(log.steps.length).toBe(count);
    expect(live).toEqual([]);
    expect(turns).toBeGreaterThan(3);
  });

  test('tells of what is written from then on, and of nothing twice', async () => {
    const directory = folder();
    const { log, live, follower } = follow(directory);
    await follower.look();
    const writer = new EventLog(join(directory, 'events.jsonl'));
    for (const event of [started, step(1), step(2)]) writer.append(event);
    for (let i = 0; i < 600 && log.steps.length < 2; i++) await sleep(10);
    writer.append(step(3));
    for (let i = 0; i < 600 && log.steps.length < 3; i++) await sleep(10);
    writer.close();
    expect(stepsOf(log)).toEqual([1, 2, 3]);
    expect(live.at(-1)?.stepsFrom).toBe(2);
  });

  test('waits for the rest of a line that is not whole', async () => {
    const directory = folder();
    const path = join(directory, 'events.jsonl');
    const [line] = logged([step(1)]).map((event) => `${JSON.stringify(event)}\n`);
    writeFileSync(path, line!.slice(0, 20));
    const { log, follower } = follow(directory);
    await follower.look();
    expect(log.steps.length).toBe(0);
    appendFileSync(path, line!.slice(20));
    await follower.look();
    expect(log.steps.length).toBe(1);
  });
});

test('a lost link and its return are told once each, however often it is tried in between', () => {
  const directory = mkdtempSync(join(tmpdir(), 'para-links-'));
  const problem = new ParaError('host', 'The connection was cut', { where: 'gpu' });
  const links = [undefined, 'connected', 'waiting', 'waiting', 'stopped', 'connected', undefined] as const;
  for (const [i, at] of links.entries()) noteLink(directory, at && { at, problem }, `at ${i}`);
  expect(linkEvents(directory).map(({ time, what }) => [time, what])).toEqual([
    ['at 2', 'lost'],
    ['at 5', 'back'],
  ]);
  expect(linkEvents(directory)[0]?.problem).toEqual({ message: 'The connection was cut', where: 'gpu' });
  rmSync(directory, { recursive: true });
});

describe('files of a run', () => {
  test('the layers of a run that goes on are those of the adapter it has kept, and none before', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'para-kept-'));
    expect(await adapterOf(directory)).toBeUndefined();
    mkdirSync(join(directory, 'checkpoints'));
    const tensors = new Map([
      ['unet.mid.attn.to_q.para_B.weight', { dims: [32, 3], data: new Float32Array(96) }],
    ]);
    writeFileSync(
      join(directory, 'checkpoints', 'best.safetensors'),
      encodeSafetensors(tensors, { 'para_studio.method': 'para' }),
    );
    expect((await adapterOf(directory))?.layers.map(({ path }) => path)).toEqual(['mid.attn.to_q']);
    rmSync(directory, { recursive: true });
  });

  test('an adapter tells its layers and ranks by its head alone', async () => {
    const path = join(mkdtempSync(join(tmpdir(), 'para-header-')), 'adapter.safetensors');
    const tensor = (...dims: number[]) => ({ dims, data: new Float32Array(dims.reduce((a, b) => a * b)) });
    const tensors = new Map([
      ['unet.mid.attn.to_q.para_B.weight', tensor(32, 3)],
      ['unet.down.conv.lora_A.weight', tensor(4, 16, 3, 3)],
      ['unet.down.conv.lora_B.weight', tensor(32, 4, 1, 1)],
    ]);
    writeFileSync(path, encodeSafetensors(tensors, { 'para_studio.method': 'para' }));
    const { layers, parameters, method } = await readAdapterHeader(path);
    expect(method).toBe('para');
    expect(parameters).toBe(96 + 576 + 128);
    expect(layers).toEqual([
      { path: 'down.conv', kind: 'conv', rank: 4, inputs: 16, outputs: 32, parameters: 704 },
      { path: 'mid.attn.to_q', kind: 'linear', rank: 3, outputs: 32, parameters: 96 },
    ]);
    writeFileSync(path, 'no adapter at all');
    await expect(readAdapterHeader(path)).rejects.toThrow('no adapter file');
  });

  test('the end of a log begins with a whole line', async () => {
    const path = join(mkdtempSync(join(tmpdir(), 'para-log-')), 'log.txt');
    expect(await endOf(path, 100)).toEqual({ text: '', cut: false });
    writeFileSync(path, 'first line\nsecond line\n');
    expect(await endOf(path, 100)).toEqual({ text: 'first line\nsecond line\n', cut: false });
    expect(await endOf(path, 15)).toEqual({ text: 'second line\n', cut: true });
  });
});
