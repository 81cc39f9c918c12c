// Training steps and pictures against PyTorch on the same card, one side after the other.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Contestant, type End } from '../../contestant.ts';
import { median } from '../../numbers.ts';
import type { WorkerCase } from '../../worker.ts';
import type { ContestRow, Row, SideRow } from '../results.ts';
import { latentOf, type Stage, type StageContext } from '../stage.ts';
import { checkpointOf, importedBase } from './large.ts';

type SideEnd = End &
  Partial<Pick<SideRow, 'hostShare' | 'toBytes' | 'fromBytes' | 'estimatedBytes'>> & {
    readonly allocatedBytes?: number;
    readonly reservedBytes?: number;
  };

/** The fewest and most timed runs of a side. */
const [fewest, most] = [3, 200];

/**
 * One side alone on the card: so what the card has in use beyond what it had is this side's, wherever the driver does
 * not tell whose it is.
 */
async function side(
  context: StageContext,
  command: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<SideRow> {
  const { meter, options, signal } = context;
  signal.throwIfAborted();
  const before = await meter.used();
  const begin = performance.now();
  const contestant = new Contestant(command, env);
  const stop = () => contestant.kill();
  signal.addEventListener('abort', stop, { once: true });
  try {
    await contestant.start();
    const startMs = performance.now() - begin;
    const [firstMs] = await contestant.run(1);
    const [second] = await contestant.run(1);
    const timedFrom = performance.now();
    const runs = Math.max(fewest, Math.min(most, Math.round((1000 * options.seconds) / second!)));
    const times = await contestant.run(runs);
    await meter.used();
    const watts = meter.watts(timedFrom)?.mean;
    const highest = meter.peak(begin);
    const { devicePeakBytes, ...end } = await contestant.end<SideEnd>();
    return {
      ...{ medianMs: median(times), bestMs: Math.min(...times), runs, startMs, firstMs: firstMs! },
      ...end,
      ...(before === undefined || highest === undefined ? {} : { cardBytes: highest - before }),
      ...(devicePeakBytes ? { devicePeakBytes } : {}),
      ...(watts === undefined ? {} : { watts }),
      ...(contestant.ready.library ? { library: contestant.ready.library } : {}),
    };
  } catch (cause) {
    throw signal.aborted ? signal.reason : cause;
  } finally {
    signal.removeEventListener('abort', stop);
    contestant.kill();
  }
}

type Contest = Omit<ContestRow, 'ours' | 'theirs'>;

/** @param known our side, where it was measured just before */
async function held(
  context: StageContext,
  contest: Contest,
  ours: WorkerCase,
  theirs: readonly string[],
  known?: SideRow,
): Promise<Row> {
  const { options } = context;
  const worker = [process.execPath, join(options.programs, 'worker.js'), JSON.stringify(ours)];
  const found = {
    kind: 'contest' as const,
    ...contest,
    ours: known ?? (await side(context, worker, context.env)),
  };
  if (!options.python) return found;
  const script = join(options.root, 'tools/bench/card_worker.py');
  const given = ['--widths', options.widths, '--device', options.device === 'cuda' ? 'cuda' : 'cpu'];
  const command = [options.python, '-W', 'ignore', script, checkpointOf(options), ...theirs, ...given];
  return { ...found, theirs: await side(context, command, context.env) };
}

const train = (method: 'para' | 'lora', memory: 'fast' | 'lean', precision: 'f16' | 'f32'): Stage => ({
  name: `train-${precision}-${method}-${memory}`,
  seconds: 40,
  needs: ['checkpoint'],
  run(context) {
    const { pixels, device } = context.options;
    const side = latentOf(pixels);
    const base = importedBase(context.options);
    return held(
      context,
      { work: 'train', method, memory, precision, pixels },
      { kind: 'step', base, method, batch: 1, side, memory, precision, device },
      [
        ...[method, '--latent', String(side), '--precision', precision],
        ...(memory === 'lean' ? ['--checkpointing'] : []),
      ],
    );
  },
});

const draw = (precision: 'f16' | 'f32', compiled = false): Stage => ({
  name: `draw-${precision}${compiled ? '-compiled' : ''}`,
  seconds: compiled ? 85 : 60,
  needs: ['checkpoint'],
  run(context) {
    const eager = compiled ? context.measured(`draw-${precision}`) : undefined;
    const { pixels, device, drawingSteps: steps } = context.options;
    return held(
      context,
      { work: 'draw', precision, pixels, ...(compiled ? { compiled } : {}) },
      { kind: 'generate', base: importedBase(context.options), device, steps, pixels, precision },
      [
        ...['generate', '--latent', String(latentOf(pixels)), '--steps', String(steps)],
        ...['--precision', precision, ...(compiled ? ['--compile'] : [])],
      ],
      eager?.kind === 'contest' ? eager.ours : undefined,
    );
  },
});

export const contests: readonly Stage[] = [
  train('para', 'fast', 'f16'),
  train('lora', 'fast', 'f16'),
  draw('f16'),
  train('para', 'lean', 'f16'),
  train('lora', 'lean', 'f16'),
];
export const compiled = draw('f16', true);
export const furtherContests: readonly Stage[] = [
  train('para', 'fast', 'f32'),
  train('lora', 'fast', 'f32'),
  draw('f32'),
];

/** A training run through the product's own trainer. */
export const runOf = (method: 'para' | 'lora'): Stage => ({
  name: `run-${method}`,
  seconds: 35,
  needs: ['checkpoint'],
  async run(context) {
    const { root, work, pixels, device, widths } = context.options;
    const pictures = [1, 2].map((n) => join(root, 'examples/dog', `dog-${n}.png`)).filter(existsSync);
    const said = await context.program('gpu-run', {
      ...{ base: importedBase(context.options), method, device, pixels, steps: widths === 'full' ? 20 : 6 },
      ...{ pictures, folder: join(work, `run-${method}`) },
    });
    return { kind: 'run', ...JSON.parse(said) } as Row;
  },
});
