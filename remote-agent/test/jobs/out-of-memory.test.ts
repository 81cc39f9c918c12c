import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { ParaError } from '../../src/common/errors.ts';
import { encodeGraph, newGraph } from '../../src/onnx/io.ts';
import { DataType, floatTensor, valueInfo } from '../../src/onnx/types.ts';
import { createSession } from '../../src/runtime/session.ts';
import { StepEngine } from '../../src/training/engine.ts';
import { Sampler } from '../../src/training/samples.ts';
import { notes, paintAll, run, tinySpec } from '../training/runs.ts';

const work = mkdtempSync(join(tmpdir(), 'para-oom-'));
beforeAll(() => paintAll(work, [[16, 16]]));
afterAll(() => rmSync(work, { recursive: true, force: true }));
afterEach(() => {
  vi.restoreAllMocks();
});

const full = async (): Promise<never> => {
  throw new ParaError('memory', 'The memory of the device "cpu" is full', {
    where: '34 MB more were asked for',
  });
};

const spec = (memory: 'auto' | 'fast' | 'lean') =>
  tinySpec(work, {
    training: { steps: 4, memory, learningRate: 1e-3 },
    samples: { every: 2, steps: 2 },
    checkpoints: { every: 2 },
  });

describe('a run whose memory ends', () => {
  let whole: Awaited<ReturnType<typeof run>> | undefined;
  it.each([
    ['in a step', () => vi.spyOn(StepEngine.prototype, 'run').mockImplementationOnce(full)],
    ['as its session is made', () => vi.spyOn(StepEngine, 'create').mockImplementationOnce(full)],
    ['while it draws', () => vi.spyOn(Sampler.prototype, 'draw').mockImplementationOnce(full)],
  ])('%s goes on in lean, one session at a time, to the same adapter, and says so', async (name, cut) => {
    whole ??= await run(work, 'whole', spec('auto'));
    cut();
    const again = await run(work, name, spec('auto'));
    expect(notes(again.events)).toMatch(/is full \(34 MB more were asked for\): the run goes on in "lean"/);
    expect(readFileSync(again.files.adapter).equals(readFileSync(whole.files.adapter))).toBe(true);
    const told = (events: typeof again.events) =>
      events.filter((e) => e.type === 'sample' || e.type === 'step');
    expect(told(again.events)).toHaveLength(told(whole.events).length);
  });

  it('and that is to be fast ends with its state kept, and with what to do', async () => {
    let steps = 0;
    const real = StepEngine.prototype.run;
    vi.spyOn(StepEngine.prototype, 'run').mockImplementation(function (this: StepEngine, ...all) {
      return ++steps > 3 ? full() : real.apply(this, all);
    });
    await expect(run(work, 'fast', spec('fast'))).rejects.toMatchObject({
      code: 'memory',
      where: expect.stringMatching(/34 MB more were asked for; .* are free now/),
      hint: expect.stringMatching(/its state of step 2 is kept.*training.memory "auto" or "lean"/),
    });
  });

  it('even in lean ends, instead of trying for ever', async () => {
    vi.spyOn(StepEngine.prototype, 'run').mockImplementation(full);
    await expect(run(work, 'never', spec('auto'))).rejects.toMatchObject({
      code: 'memory',
      hint: expect.stringContaining('no step was saved yet'),
    });
  });
});

it('the runtime is believed when it says that memory is full, with what was asked for', async () => {
  const graph = newGraph('huge', 18);
  graph.setInitializer(floatTensor('one', [1], [1]));
  graph.addInput('size', DataType.INT64, [1]);
  graph.push(graph.makeNode('Expand', ['one', 'size'], { outputs: ['huge'] }));
  graph.push(graph.makeNode('ReduceSum', ['huge'], { outputs: ['sum'] }));
  graph.setOutputs([valueInfo('sum', DataType.FLOAT, [1])]);
  const session = await createSession(encodeGraph(graph));
  // 4 TB, which no system gives.
  const size = { type: 'int64', dims: [1], data: BigInt64Array.of(10n ** 12n) } as const;
  await expect(session.run({ size })).rejects.toMatchObject({
    code: 'memory',
    where: expect.stringMatching(/^4000000 MB more were asked for by Expand/),
  });
  await session.release();
});
