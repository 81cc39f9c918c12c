import { relative } from 'node:path';
import { effectiveEvents, readEvents } from '../jobs/event-log.ts';
import { findRun, jobFiles, listRuns, readSpec, readStatus } from '../jobs/job.ts';
import { bold, chart, dim, say } from './output.ts';

/** `para runs`: one line a run, newest first. */
export function runsCommand(): void {
  const runs = listRuns();
  if (runs.length === 0) say('No runs yet: train one with para train NAME.para.json');
  for (const { id, spec, status } of runs) {
    const loss = status.loss === undefined ? '' : `loss ${status.loss.toFixed(4)}`;
    say(
      `${id.padEnd(42)} ${status.state.padEnd(11)} ${`${status.step}/${status.steps}`.padStart(11)}  ${spec.method.name.padEnd(5)} ${loss}`,
    );
  }
}

/** `para show RUN`: losses as a chart, samples, settings. */
export function showCommand(run: string): void {
  const directory = findRun(run);
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
  }
  say(`\n${dim(JSON.stringify({ method: spec.method, training: spec.training, base: spec.base }, null, 2))}`);
}
