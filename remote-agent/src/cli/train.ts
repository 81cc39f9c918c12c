import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ParaError } from '../common/errors.ts';
import { type BaseRef, resolveSpec } from '../dataset/spec.ts';
import { openBase } from '../diffusion/base.ts';
import { hostBases } from '../hosts/remote-bases.ts';
import type { Bring } from '../hosts/remote-ref.ts';
import type { HostSession } from '../hosts/session.ts';
import { deviceOf, placeRun, planOnHost, remoteId } from '../hosts/submit.ts';
import { createJob, runName, runsFolder } from '../jobs/job.ts';
import type { DeviceName } from '../runtime/device.ts';
import { loadSubject } from '../subject/load.ts';
import type { MethodName } from '../subject/schema.ts';
import type { SpecOverrides, TrainSpec } from '../subject/train-spec.ts';
import { planWords } from '../training/memory-plan.ts';
import { planSpec } from '../training/run-plan.ts';
import { choiceText, type DeviceOption, deviceHere } from './devices.ts';
import { watchRun, withHost, withSendBar } from './host-run.ts';
import { done, runJob } from './local-run.ts';
import { dim, say } from './output.ts';
import { resumeCommand } from './resume.ts';

export interface TrainOptions {
  readonly resume?: string;
  readonly method?: MethodName | 'both';
  readonly steps?: number;
  readonly out?: string;
  readonly memory?: 'auto' | 'fast' | 'lean';
  readonly device?: DeviceOption;
  readonly json?: boolean;
  readonly continueSchedule?: boolean;
  readonly host?: string;
  readonly bring?: Bring;
  readonly detach?: boolean;
}

const baseHere = (name: string): BaseRef => ({ name, hash: openBase(name).hash });

/** The spec of a subject file; the base is one of this machine unless said otherwise. */
export const specFor = (
  file: string,
  overrides: SpecOverrides,
  createdAt?: string,
  baseOf: (name: string) => BaseRef = baseHere,
): TrainSpec => resolveSpec(loadSubject(file), overrides, baseOf, createdAt);

/** `para train`: starts or resumes runs; returns the exit code. */
export async function trainCommand(file: string | undefined, options: TrainOptions): Promise<number> {
  if (options.resume !== undefined) return resumeCommand(options.resume, options);
  if (!file)
    throw new ParaError('settings', 'No subject file is given', {
      hint: 'para train NAME.para.json, or para train --resume RUN',
    });
  const methods: (MethodName | undefined)[] = options.method === 'both' ? ['para', 'lora'] : [options.method];
  const { steps, memory, host } = options;
  const several = methods.length > 1;
  if (host !== undefined) return trainAway(file, host, methods, options);
  const device = await deviceHere(options.device, options.json);
  for (const method of methods) {
    const spec = specFor(file, { method, steps, device, memory });
    const plan = planSpec(spec);
    if (!options.json) say(`memory: ${planWords(plan)}`);
    const directory = outFolder(spec, options.out, several);
    createJob(directory, spec);
    if (!(await runJob(directory, options.json))) return 130;
    done(directory, options);
  }
  return 0;
}

/** `para train FILE --host NAME`: all methods are submitted before the first is watched. */
async function trainAway(
  file: string,
  host: string,
  methods: readonly (MethodName | undefined)[],
  options: TrainOptions,
): Promise<number> {
  const { steps, memory, bring = 'best' } = options;
  const directories: string[] = [];
  await withHost(host, async (session) => {
    const bases = await hostBases(session);
    const baseOf = (name: string) => ({ name, hash: bases(name).hash });
    const device = await deviceThere(session, options);
    for (const method of methods) {
      const spec = specFor(file, { method, steps, device, memory }, undefined, baseOf);
      const plan = await planOnHost(session, spec);
      if (plan && !options.json) say(`memory: ${planWords(plan)}`);
      const id = remoteId(runName(spec));
      const directory = options.out
        ? outFolder(spec, options.out, methods.length > 1)
        : join(runsFolder(), id);
      createJob(directory, spec);
      await withSendBar(session, options.json ?? false, (progress) =>
        placeRun(session, directory, { id, bring, fetched: {} }, progress),
      );
      directories.push(directory);
    }
  });
  for (const directory of directories) {
    const code = await watchRun(directory, options);
    if (code !== 0) return code;
    if (!options.detach) done(directory, options);
  }
  return 0;
}

/** The device of a host: the one asked for, its own choice for `auto`, else a GPU where it has one. */
async function deviceThere(session: HostSession, { device, json }: TrainOptions): Promise<DeviceName> {
  if (device === undefined) return deviceOf(await session.call('host/facts', {}));
  if (device !== 'auto') return device;
  const chosen = await session.call('host/devices', {});
  if (!json) say(dim(choiceText(chosen)));
  return chosen.device;
}

function outFolder(spec: TrainSpec, out: string | undefined, several: boolean): string {
  if (out) return resolve(several ? join(out, spec.method.name) : out);
  const stem = join(runsFolder(), runName(spec));
  let path = stem;
  for (let n = 2; existsSync(path); n++) path = `${stem}-${n}`;
  return path;
}
