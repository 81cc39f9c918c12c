// The fault campaign: jobs on a real SSH host, each disturbed several times, each held to the undisturbed run.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { specFor } from '../../src/cli/train.ts';
import { findHost } from '../../src/hosts/profiles.ts';
import { writeRemote } from '../../src/hosts/remote-ref.ts';
import { HostSession } from '../../src/hosts/session.ts';
import { readEvents } from '../../src/jobs/event-log.ts';
import { createJob, jobFiles } from '../../src/jobs/job.ts';
import { startTrainer } from '../../src/jobs/start.ts';
import { toWire } from '../../src/jobs/wire.ts';
import type { TrainSpec } from '../../src/subject/train-spec.ts';
import { seeded } from '../fuzz/mutate.ts';
import { checkout } from '../hosts/agent-host.ts';
import { ClientProcess } from './client-process.ts';
import { type FaultName, faults, type Scene } from './faults.ts';
import { ChaosHost, stateIn } from './host.ts';
import { processesIn } from './processes.ts';

export interface DisturbedJob {
  readonly transport: string;
  /** Those that hit something while the job ran. */
  readonly faults: readonly FaultName[];
  readonly events: number;
  readonly resumes: number;
  readonly seconds: number;
  /** What does not hold; empty where all does. */
  readonly problems: readonly string[];
}

export interface Report {
  readonly seed: number;
  readonly jobs: readonly DisturbedJob[];
  /** Kinds that cannot be had here, and why. */
  readonly leftOut: readonly string[];
}

/** Longest time for a job with its faults, in s; only a hang takes so long. */
const longest = 600;
const faultsPerJob = 6;

const sha = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex');

/** A spec of a small job that makes use of all that a run keeps state for. */
function makeSpec(host: ChaosHost): TrainSpec {
  const subject = join(host.clientHome, 'subject.para.json');
  writeFileSync(
    subject,
    JSON.stringify({
      base: join(host.clientHome, 'bases/tiny'),
      pictures: [1, 2].map((n) => join(checkout, `examples/robot/robot-${n}.png`)),
      class: 'robot',
      method: { layers: 'up_blocks.**.attn{1,2}.to_*' },
      training: { steps: 400, seed: 3, batch: 2, flip: true, captionDropout: 0.1 },
      samples: { every: 80, steps: 2, prompts: ['a robot'] },
      validation: { every: 40, timesteps: 2 },
      checkpoints: { every: 5, best: true },
    }),
  );
  const spec = specFor(subject, {}, '2026-01-02T03:04:05.000Z');
  return { ...spec, base: { name: 'tiny', hash: host.baseHash } };
}

/** Trains without any disturbance. @returns hashes of adapter and samples */
async function undisturbed(host: ChaosHost, spec: TrainSpec): Promise<string> {
  const directory = join(host.clientHome, 'undisturbed');
  createJob(directory, spec);
  process.env.PARA_HOME = host.clientHome;
  const { done } = startTrainer(directory, () => {}, join(checkout, 'remote-agent/dist/trainer.js'));
  const exit = await done;
  if (exit.outcome !== 'finished')
    throw new Error(`the undisturbed run ${exit.outcome}: ${exit.error?.message}`);
  return sha(jobFiles(directory).adapter);
}

/** Deals kinds like cards, so that each comes before any comes again. */
function deck(kinds: readonly FaultName[], random: () => number): () => FaultName {
  let cards: FaultName[] = [];
  return () => {
    if (cards.length === 0) cards = [...kinds];
    return cards.splice(Math.floor(random() * cards.length), 1)[0]!;
  };
}

const stepsIn = (job: string) =>
  readEvents(jobFiles(job).events).reduce(
    (most, e) => (e.type === 'step' ? Math.max(most, e.step) : most),
    0,
  );

/** @returns false where the job was over before */
async function untilStep(job: string, step: number, isOver: () => boolean): Promise<boolean> {
  while (!existsSync(jobFiles(job).status) || stepsIn(job) < step) {
    if (isOver()) return false;
    await sleep(30);
  }
  return !isOver();
}

/**
 * Disturbs jobs until so many faults have hit.
 * @param program bundle of the client
 * @param only the one kind of fault to do; all in turns where it is left out
 */
export async function campaign(
  program: string,
  wanted: number,
  seed: number,
  say: (line: string, report: Report) => void,
  only?: string,
): Promise<Report> {
  const random = seeded(seed);
  const host = await ChaosHost.start();
  try {
    const spec = makeSpec(host);
    const adapter = await undisturbed(host, spec);
    const kinds = (Object.keys(faults) as FaultName[]).filter(
      (name) => (host.ownDisk || name !== 'fill the disk') && (only ?? name) === name,
    );
    const next = deck(kinds, random);
    const jobs: DisturbedJob[] = [];
    const leftOut = host.ownDisk ? [] : ['fill the disk: no file system can be mounted here'];
    let count = 0;
    while (count < wanted) {
      const client = new ClientProcess(
        program,
        host.clientHome,
        jobs.length % 2 === 0 ? 'ssh2' : 'openssh',
        join(host.clientHome, 'runs', `chaos-${jobs.length + 1}`),
      );
      const job = await disturb(
        host,
        client,
        spec,
        adapter,
        Math.min(faultsPerJob, wanted - count),
        next,
        random,
      );
      jobs.push(job);
      count += job.faults.length;
      const report = { seed, jobs, leftOut };
      say(
        `job ${jobs.length} (${job.transport}): ${job.faults.join(', ')}; ${job.events} events, ${job.seconds.toFixed(0)} s${job.problems.map((p) => `\n  !!! ${p}`).join('')}`,
        report,
      );
      if (job.problems.length > 0) say(readFileSync(`${client.directory}.log`, 'utf8').slice(-3000), report);
      if (job.faults.length === 0) throw new Error('no fault hit a running job');
    }
    return { seed, jobs, leftOut };
  } finally {
    await host.stop();
  }
}

async function disturb(
  host: ChaosHost,
  client: ClientProcess,
  spec: TrainSpec,
  adapter: string,
  wanted: number,
  next: () => FaultName,
  random: () => number,
): Promise<DisturbedJob> {
  const id = client.directory.split('/').at(-1)!;
  createJob(client.directory, spec);
  writeRemote(client.directory, { host: client.host, id, bring: 'all', fetched: {} });
  const begin = performance.now();
  const scene: Scene = { host, client, job: join(host.home, 'runs', id), random };
  const isLate = () => performance.now() - begin > longest * 1000;
  const isOver = () => stateIn(scene.job) === 'finished' || isLate();
  const done: FaultName[] = [];
  client.start();
  for (let step = 1; done.length < wanted; step = stepsIn(scene.job) + 1 + Math.floor(random() * 20)) {
    if (!(await untilStep(scene.job, step, isOver))) break;
    await sleep(random() * 300);
    if (isOver()) break;
    const name = next();
    if (await faults[name](scene)) done.push(name);
    // A run that failed on the full disk is resumed by whoever made room.
    if (name === 'fill the disk') await afterFullDisk(scene);
  }
  while (client.exit === undefined && !isLate()) {
    await sleep(50);
    if (client.exit === 3) await afterFullDisk(scene);
  }
  host.link.bury();
  const problems = isLate() ? ['the job did not end'] : await problemsOf(scene, adapter);
  const events = readEvents(jobFiles(client.directory).events);
  return {
    transport: client.host,
    faults: done,
    events: events.length,
    resumes: events.filter((e) => e.type === 'resumed' || e.type === 'started').length - 1,
    seconds: (performance.now() - begin) / 1000,
    problems,
  };
}

/** Waits until the client has heard of the failure, if there was one, and resumes the run. */
async function afterFullDisk({ client, job }: Scene): Promise<void> {
  if (stateIn(job) !== 'failed') return;
  while (client.exit === undefined && stateIn(job) === 'failed') await sleep(50);
  if (client.exit !== undefined && client.exit !== 0) client.start(true);
}

/** Everything that does not hold after a job. */
async function problemsOf({ host, client, job }: Scene, adapter: string): Promise<string[]> {
  const problems: string[] = [];
  if (client.exit !== 0) problems.push(`the client ended with ${client.exit}`);
  const here = readEvents(jobFiles(client.directory).events).map((e) =>
    JSON.stringify(toWire(e, client.directory)),
  );
  const there = readEvents(jobFiles(job).events).map((e) => JSON.stringify(toWire(e, job)));
  const gap = here.findIndex((line, i) => (JSON.parse(line) as { seq: number }).seq !== i + 1);
  if (gap >= 0) problems.push(`event ${gap + 1} is missing or doubled at the client`);
  const other = there.findIndex((line, i) => line !== here[i]);
  if (other >= 0 || here.length !== there.length)
    problems.push(`the client has other events than the host (${here.length} and ${there.length})`);
  for (const folder of [client.directory, job])
    if (!existsSync(jobFiles(folder).adapter) || sha(jobFiles(folder).adapter) !== adapter)
      problems.push(`the adapter in ${folder === job ? 'the job' : 'the run'} is another than undisturbed`);
  problems.push(...(await leftovers(host, client.host)));
  return problems;
}

/** Processes and files that nobody should find when no job runs. */
async function leftovers(host: ChaosHost, name: string): Promise<string[]> {
  const until = performance.now() + 30_000;
  let processes = processesIn(host.home);
  while (processes.length > 0 && performance.now() < until) {
    await sleep(100);
    processes = processesIn(host.home);
  }
  const problems = processes.map(({ command }) => `still there: ${command}`);
  if (host.strayFiles().length > 0) {
    // What a killed agent left is swept up by the next that is greeted, once it is surely nobody's.
    await sleep(11_000);
    process.env.PARA_HOME = host.clientHome;
    (await HostSession.open(findHost(name))).close();
    await sleep(1000);
    problems.push(...host.strayFiles().map((path) => `left behind: ${path}`));
  }
  return problems;
}
