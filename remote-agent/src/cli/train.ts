import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ParaError } from '../common/errors.ts';
import { findPictures } from '../dataset/find.ts';
import { openBase } from '../diffusion/base.ts';
import { continueTo } from '../jobs/continue.ts';
import type { LoggedEvent } from '../jobs/event-log.ts';
import { createJob, findRun, jobFiles, readSpec, runsFolder } from '../jobs/job.ts';
import { startTrainer } from '../jobs/start.ts';
import { loadSubject } from '../subject/load.ts';
import type { MethodName } from '../subject/schema.ts';
import { makeTrainSpec, type SpecOverrides, type TrainSpec } from '../subject/train-spec.ts';
import { paraLine, shortPath } from './invocation.ts';
import { bold, green, Progress, say } from './output.ts';

export interface TrainOptions {
  readonly resume?: string;
  readonly method?: MethodName | 'both';
  readonly steps?: number;
  readonly out?: string;
  readonly memory?: 'fast' | 'lean';
  readonly device?: 'cpu' | 'cuda' | 'webgpu';
  readonly json?: boolean;
  readonly continueSchedule?: boolean;
}

/** Resolves a subject file into a spec: pictures found and hashed, base opened, defaults filled. */
export function specFor(
  file: string,
  overrides: SpecOverrides,
  createdAt = new Date().toISOString(),
): TrainSpec {
  const subject = loadSubject(file);
  const base = openBase(subject.file.base ?? 'pocket-sdxl');
  const named = subject.file.base ?? 'pocket-sdxl';
  return makeTrainSpec(
    subject,
    { base: { name: named, hash: base.hash }, ...findPictures(subject), createdAt },
    overrides,
  );
}

/**
 * Runs one job in a trainer of its own and shows its progress until it ends.
 * @returns true when it finished, false when it was stopped on request
 */
export async function runJob(directory: string, json = false): Promise<boolean> {
  const spec = readSpec(directory);
  const label = `${spec.subject} ${spec.method.name.padEnd(4)}`;
  let bar: Progress | undefined;
  const show = (event: LoggedEvent) => {
    if (json) return say(JSON.stringify(event));
    if (event.type === 'step') {
      bar ??= new Progress(label, spec.training.steps, event.step - 1);
      bar.update(event.step, `loss ${event.smoothedLoss.toFixed(4)}`);
    } else if (event.type === 'note') say(event.message);
  };
  const again = `continue with ${paraLine('train', '--resume', shortPath(directory))}`;
  const trainer = startTrainer(directory, show);
  const stop = () => trainer.stop();
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  try {
    const exit = await trainer.done;
    bar?.stop();
    if (exit.outcome === 'failed') {
      const { message, where, hint } = exit.error!;
      throw new ParaError('run', message, {
        where: where ?? directory,
        hint: hint ? `${hint}\n  the run is kept: ${again}` : again,
      });
    }
    if (exit.outcome === 'stopped' && !json) say(`\nStopped; its state is saved. ${bold(again)}`);
    return exit.outcome === 'finished';
  } finally {
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
  }
}

/** `para train`: starts or resumes runs; returns the exit code. */
export async function trainCommand(file: string | undefined, options: TrainOptions): Promise<number> {
  if (options.resume !== undefined) {
    const directory = findRun(options.resume);
    if (options.steps !== undefined) continueTo(directory, options.steps, options.continueSchedule ?? false);
    return (await runJob(directory, options.json)) ? done(directory, options) : 130;
  }
  if (!file)
    throw new ParaError('settings', 'No subject file is given', {
      hint: 'para train NAME.para.json, or para train --resume RUN',
    });
  const methods: (MethodName | undefined)[] = options.method === 'both' ? ['para', 'lora'] : [options.method];
  for (const method of methods) {
    const spec = specFor(file, {
      method,
      steps: options.steps,
      device: options.device,
      memory: options.memory,
    });
    const directory = outFolder(spec, options.out, methods.length > 1);
    createJob(directory, spec);
    if (!(await runJob(directory, options.json))) return 130;
    done(directory, options);
  }
  return 0;
}

function done(directory: string, { json }: TrainOptions): number {
  if (!json) say(`${green('done')} ${jobFiles(directory).adapter}`);
  return 0;
}

function outFolder(spec: TrainSpec, out: string | undefined, several: boolean): string {
  if (out) return resolve(several ? join(out, spec.method.name) : out);
  const stamp = spec.createdAt.slice(0, 19).replace(/[-:]/g, '').replace('T', '-');
  const stem = join(runsFolder(), `${stamp}-${spec.subject.replace(/[^\w.-]+/g, '_')}-${spec.method.name}`);
  let path = stem;
  for (let n = 2; existsSync(path); n++) path = `${stem}-${n}`;
  return path;
}
