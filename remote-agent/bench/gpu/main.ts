// The whole check of a GPU, stage by stage; started by scripts/gpu-check.mjs or by a pack (scripts/gpu/packed.mjs).
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { loadingEnvironment } from '../../src/common/loading-env.ts';
import { Meter } from './meter.ts';
import { pageOf } from './page.ts';
import { run } from './program.ts';
import { type Card, merged, readResults, type StageRecord, sameCard, writeResults } from './results.ts';
import type { GpuOptions, Stage, StageContext } from './stage.ts';
import { stages } from './stages/index.ts';
import { hasRoom, turnsOf } from './turns.ts';

const isMeant = (given: string, name: string) => name === given || name.startsWith(`${given}-`);

/** Stages that were asked for and those whose files they read, where these are not there, in order. */
export function chosenStages(options: Pick<GpuOptions, 'only'>, made: (stage: Stage) => boolean): Stage[] {
  const wanted = ({ name }: Stage) =>
    options.only.length === 0 || options.only.some((given) => isMeant(given, name));
  const chosen = stages.filter(wanted);
  const needed = new Set(chosen.flatMap(({ needs = [] }) => needs));
  return stages.filter((stage) => chosen.includes(stage) || (needed.has(stage.name) && !made(stage)));
}

const cardOf = ({ gpu, device, runtime, widths, checkpoint }: GpuOptions): Card => ({
  ...(checkpoint ? { checkpoint: basename(checkpoint) } : {}),
  ...(gpu && device === 'cuda' ? { gpu: gpu.name, memory: gpu.memory, driver: gpu.driver } : {}),
  ...{
    device,
    runtime,
    node: process.version,
    processor: cpus()[0]!.model.trim(),
    cores: cpus().length,
    widths,
  },
});

function contextOf(
  options: GpuOptions,
  meter: Meter,
  signal: AbortSignal,
  measured: StageContext['measured'],
): StageContext {
  const env: NodeJS.ProcessEnv = {
    ...loadingEnvironment(),
    LD_LIBRARY_PATH: [...options.libraries, process.env.LD_LIBRARY_PATH ?? ''].filter(Boolean).join(':'),
    PARA_HOME: join(options.work, 'home'),
    ...{ DIFFUSERS_VERBOSITY: 'error', HF_HUB_OFFLINE: '1' },
    // PyTorch's threads on a processor wait for each other without using up its cores.
    ...(options.device === 'cpu' ? { OMP_WAIT_POLICY: 'PASSIVE' } : {}),
  };
  return {
    ...{ options, meter, env, signal, measured },
    program: (name, what, environment = env) =>
      run([process.execPath, join(options.programs, `${name}.js`), JSON.stringify(what)], {
        ...{ env: environment, signal, name },
      }),
    async tool(path, ...args) {
      if (!options.python) throw new Error('there is no Python with PyTorch here');
      const command = [options.python, '-W', 'ignore', join(options.root, 'tools', path), ...args];
      return run(command, { env, signal, name: path });
    },
  };
}

/**
 * Runs one stage; its failure is part of what is recorded.
 * @param mostMs it is ended then
 * @param alone whether what the card does meanwhile is this stage's
 */
async function record(
  stage: Stage,
  options: GpuOptions,
  { mostMs, alone, measured }: { mostMs: number; alone: boolean } & Pick<StageContext, 'measured'>,
): Promise<StageRecord> {
  const meter = new Meter();
  const begin = performance.now();
  const ending = new AbortController();
  const timer = setTimeout(() => ending.abort(new Error('its time was over')), mostMs);
  const before = alone ? await meter.used() : undefined;
  if (alone) meter.start();
  let outcome: Pick<StageRecord, 'row' | 'failed'>;
  try {
    outcome = { row: await stage.run(contextOf(options, meter, ending.signal, measured)) };
  } catch (cause) {
    outcome = { failed: cause instanceof Error ? cause.message : String(cause) };
  }
  clearTimeout(timer);
  await meter.stop();
  const after = alone ? await meter.used() : undefined;
  const [peak, watts] = [meter.peak(begin), meter.watts(begin)];
  return {
    date: new Date().toISOString().slice(0, 10),
    seconds: (performance.now() - begin) / 1000,
    ...(before === undefined || peak === undefined || after === undefined
      ? {}
      : { memory: { before, peak, after } }),
    ...(alone && watts ? { watts } : {}),
    ...outcome,
  };
}

/** Runs what fits into the time; after each stage results and page are written. @returns the exit code */
export async function check(options: GpuOptions): Promise<number> {
  const unknown = options.only.find((given) => !stages.some(({ name }) => isMeant(given, name)));
  if (unknown !== undefined) {
    console.error(`There is no stage "${unknown}"; there are ${stages.map(({ name }) => name).join(', ')}.`);
    return 2;
  }
  mkdirSync(options.work, { recursive: true });
  mkdirSync(dirname(options.results), { recursive: true });
  const deadline = performance.now() + 60_000 * options.minutes;
  const made = ({ made: isMade }: Stage) => isMade?.(options) ?? false;
  const card = cardOf(options);
  const earlier = readResults(options.results);
  if (earlier.card && !sameCard(earlier.card, card))
    console.log(
      `The results that are there are of another card (${earlier.card.gpu ?? earlier.card.device}): they are replaced.`,
    );
  const [left, failed]: [string[], string[]] = [[], []];
  const now = new Map<string, StageRecord>();

  async function run(stage: Stage, alone: boolean): Promise<void> {
    const results = readResults(options.results);
    const before = sameCard(results.card, card) ? results.stages[stage.name] : undefined;
    // What it took here is known better than what it takes elsewhere.
    const needed = before?.row ? before.seconds : options.widths === 'full' ? stage.seconds : 0;
    const remaining = (deadline - performance.now()) / 1000;
    if (remaining < needed || remaining <= 0) {
      left.push(stage.name);
      return;
    }
    const missing = (stage.needs ?? []).find((name) => !made(stages.find((other) => other.name === name)!));
    const found: StageRecord =
      missing === undefined
        ? await record(stage, options, {
            ...{ mostMs: 1000 * remaining, alone },
            measured: (name) => now.get(name)?.row,
          })
        : {
            date: new Date().toISOString().slice(0, 10),
            seconds: 0,
            failed: `it needs what the stage "${missing}" makes`,
          };
    now.set(stage.name, found);
    const all = merged(readResults(options.results), { card, stages: { [stage.name]: found } });
    writeResults(options.results, all);
    if (options.page) writeFileSync(options.page, pageOf(all));
    if (found.failed !== undefined) failed.push(stage.name);
    console.log(
      `${stage.name}: ${found.seconds.toFixed(0)} s, ${found.failed === undefined ? said(found) : `FAILED: ${found.failed}`}`,
    );
  }

  for (const turn of turnsOf(chosenStages(options, made), hasRoom(options))) {
    const running = new Map<string, Promise<void>>();
    for (const stage of turn) {
      const first = Promise.all((stage.needs ?? []).map((name) => running.get(name)));
      running.set(
        stage.name,
        first.then(() => run(stage, turn.length === 1)),
      );
    }
    await Promise.all(running.values());
  }
  if (left.length > 0)
    console.log(
      `Left out, since ${options.minutes} minutes are too short for them: ${left.join(', ')}. Run them with --only.`,
    );
  const { stages: all } = readResults(options.results);
  const outside = Object.values(all).flatMap(({ row }) =>
    row?.kind === 'checks' ? row.checks.filter(({ value, bound }) => !(value <= bound)) : [],
  );
  for (const { what, against, value, bound } of outside)
    console.log(`OUTSIDE THE BOUND: ${what} against ${against}: ${value} > ${bound}`);
  if (existsSync(options.results))
    console.log(`Results: ${options.results}${options.page ? `, ${options.page}` : ''}`);
  return failed.length > 0 || outside.length > 0 ? 1 : 0;
}

/** A stage's outcome in a few words. */
function said({ row }: StageRecord): string {
  if (row?.kind === 'checks') {
    const worst = row.checks.toSorted((a, b) => b.value / b.bound - a.value / a.bound)[0];
    return worst
      ? `${row.checks.length} comparisons, nearest to its bound: ${worst.what} ${worst.value.toExponential(1)} of ${worst.bound}`
      : 'nothing compared';
  }
  if (row?.kind === 'contest') {
    const { ours, theirs } = row;
    return `${ours.medianMs.toFixed(1)} ms${theirs ? `, PyTorch ${theirs.medianMs.toFixed(1)} ms: ${(theirs.medianMs / ours.medianMs).toFixed(2)} x as fast` : ', PyTorch is not here'}`;
  }
  if (row?.kind === 'run')
    return `${row.stepMs.toFixed(1)} ms a step, ${(100 * row.share).toFixed(1)} % of it outside the session`;
  return Object.entries(row?.facts ?? {})
    .map(([name, value]) => `${name} ${value}`)
    .join(', ');
}
