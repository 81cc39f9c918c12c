import { relative } from 'node:path';
import { readRemote } from '../hosts/remote-ref.ts';
import { effectiveEvents, readEvents } from '../jobs/event-log.ts';
import { findRun, jobFiles, listRuns, readSpec, readStatus } from '../jobs/job.ts';
import { followRun } from './follow-run.ts';
import { bringHome, catchUp, withHost } from './host-run.ts';
import { bold, chart, dim, say } from './output.ts';
import { sizeChangesText } from './run-display.ts';

const line = (id: string, state: string, step: number, steps: number, method: string, loss?: number | null) =>
  `${id.padEnd(42)} ${state.padEnd(11)} ${`${step}/${steps}`.padStart(11)}  ${method.padEnd(5)} ${typeof loss === 'number' ? `loss ${loss.toFixed(4)}` : ''}`;

/** `para runs`: one line a run, newest first; with `host` those that the host knows. */
export async function runsCommand({ host }: { readonly host?: string }): Promise<void> {
  if (host !== undefined) return runsOf(host);
  const runs = listRuns();
  if (runs.length === 0) say('No runs yet: train one with para train NAME.para.json');
  for (const { id, directory, spec, status } of runs) {
    const remote = readRemote(directory);
    const { state, step, steps, loss } = status;
    say(`${line(id, state, step, steps, spec.method.name, loss)}${remote ? `  on ${remote.host}` : ''}`);
  }
}

async function runsOf(host: string): Promise<void> {
  const { jobs } = await withHost(host, (session) => session.call('jobs/list', {}));
  if (jobs.length === 0)
    say(`No runs on ${host} yet: train one with para train NAME.para.json --host ${host}`);
  for (const { id, state, step, steps, method, loss, queuePlace } of jobs)
    say(`${line(id, state, step, steps, method, loss)}${queuePlace ? `  place ${queuePlace}` : ''}`);
}

export interface ShowOptions {
  readonly follow?: boolean;
  readonly host?: string;
  readonly json?: boolean;
}

/** `para show RUN`: losses as a chart, samples, settings; with `follow` what happens until its end. Returns the exit code. */
export async function showCommand(run: string, options: ShowOptions): Promise<number> {
  const directory = options.host === undefined ? findRun(run) : await bringHome(options.host, run);
  if (options.follow) return followRun(directory, options);
  if (options.host !== undefined) await catchUp(directory);
  showRun(directory);
  return 0;
}

function showRun(directory: string): void {
  const spec = readSpec(directory);
  const status = readStatus(directory);
  const events = effectiveEvents(readEvents(jobFiles(directory).events));
  say(bold(`${spec.subject}  ${spec.method.name}  ${status.state}  ${status.step}/${status.steps} steps`));
  const losses = events.flatMap((e) => (e.type === 'step' ? [e.smoothedLoss] : []));
  if (losses.length > 0) say(`\nloss (smoothed)\n${chart(losses)}`);
  const validation = events.flatMap((e) => (e.type === 'validation' ? [e] : []));
  if (validation.length > 0)
    say(
      `\nvalidation  ${validation
        .slice(-8)
        .map((e) => `${e.step}: ${e.loss.toFixed(4)}`)
        .join('   ')}`,
    );
  for (const e of events) {
    if (e.type === 'sample') say(dim(`sample ${e.step}  ${e.prompt}  ${relative(process.cwd(), e.file)}`));
    if (e.type === 'checkpoint')
      say(dim(`${e.best ? 'best so far' : 'checkpoint'} ${e.step}  ${relative(process.cwd(), e.file)}`));
    if (e.type === 'error') say(`error: ${e.message}`);
    if (e.type === 'finished' && e.sizeChanges) say(dim(sizeChangesText(e)));
  }
  say(`\n${dim(JSON.stringify({ method: spec.method, training: spec.training, base: spec.base }, null, 2))}`);
}
