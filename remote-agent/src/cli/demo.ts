import { existsSync, rmSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { effectiveEvents, readEvents } from '../jobs/event-log.ts';
import { createJob, jobFiles, readSpec, readStatus } from '../jobs/job.ts';
import type { TrainSpec } from '../subject/train-spec.ts';
import { exportCommand } from './adapter-commands.ts';
import { describeAdapter } from './adapters.ts';
import { type CompareColumn, drawComparison, readRows } from './compare.ts';
import { adapterName } from './find-adapter.ts';
import { shortPath } from './invocation.ts';
import { runJob } from './local-run.ts';
import { openStudio } from './open-studio.ts';
import { bold, bytes, dim, green, say } from './output.ts';
import { specFor } from './train.ts';

/** Date in the demo's adapters: fixed, so that a second run sees the same settings and has nothing to do. */
const createdAt = '2026-01-01T00:00:00.000Z';

/** Steps after which LoRA is compared with PaRa's end. */
const early = 200;

/** Steps of LoRA. */
const long = 1000;

/** An adapter on the demo's sheet and in its table. */
interface DemoColumn extends CompareColumn {
  readonly directory: string;
  readonly file: string;
  readonly step: number;
  readonly parameters: number;
}

/**
 * `npm run demo`: trains one subject with PaRa (200 steps) and LoRA (1000 steps) and compares base, LoRA at 200, LoRA
 * at 1000 and PaRa at 200; PaRa's adapter is also exported as LoRA. What is there already is not made again.
 */
export async function demoCommand(options: {
  readonly out: string;
  readonly subject: string;
}): Promise<number> {
  const out = resolve(options.out);
  const subject = resolve(options.subject);
  const specs = [
    specFor(subject, { method: 'para', steps: early }, createdAt),
    specFor(subject, { method: 'lora', steps: long, keep: [early] }, createdAt),
  ];
  const made = { sheet: join(out, 'compare.png'), exported: join(out, 'para-as-lora.safetensors') };
  for (const spec of specs) {
    const directory = join(out, spec.method.name);
    if (isDone(directory, spec)) {
      say(`${spec.method.name} is trained already`);
      continue;
    }
    for (const path of Object.values(made)) rmSync(path, { force: true });
    if (!sameSpec(directory, spec)) {
      // A run of other settings; a folder that is no run is left alone, and refused.
      if (existsSync(jobFiles(directory).spec)) rmSync(directory, { recursive: true });
      createJob(directory, spec);
    }
    if (!(await runJob(directory))) {
      say(dim('The demo goes on from there when it is run again.'));
      return 130;
    }
  }
  const [para, lora] = specs.map((spec) => join(out, spec.method.name)) as [string, string];
  const named = specs[0]!.base.name;
  const column = (name: string, directory: string, file: string, step: number): DemoColumn => {
    const { parameters } = describeAdapter(file);
    const note = `${step} steps, ${parameters} parameters`;
    const drawn = { title: name, note, adapter: { name: adapterName(file), file, strength: 1 } };
    return { ...drawn, directory, file, step, parameters };
  };
  const kept = join(jobFiles(lora).checkpoints, `step-${String(early).padStart(6, '0')}.safetensors`);
  const columns = [
    column('LoRA', lora, kept, early),
    column('LoRA', lora, jobFiles(lora).adapter, long),
    column('PaRa', para, jobFiles(para).adapter, early),
  ];
  if (!existsSync(made.sheet)) {
    const rows = readRows(join(dirname(subject), 'compare.prompts'));
    const studio = await openStudio(named, {});
    await drawComparison(studio, [{ title: 'base', note: named }, ...columns], rows, made.sheet).finally(() =>
      studio.close(),
    );
  }
  if (!existsSync(made.exported))
    await exportCommand(para, { base: named, format: 'kohya', as: 'lora', out: made.exported });
  table(columns, readSpec(para).validationPictures.length);
  say(`\n${green('All of it is in')} ${bold(shortPath(out))}`);
  const places: [string, string][] = [
    ['the comparison', made.sheet],
    ['PaRa adapter', jobFiles(para).adapter],
    ['LoRA adapter', jobFiles(lora).adapter],
    ['PaRa as LoRA', made.exported],
    ['samples', jobFiles(para).samples],
    ['samples', jobFiles(lora).samples],
  ];
  for (const [what, path] of places) say(`  ${what.padEnd(16)}${shortPath(path)}`);
  return 0;
}

function sameSpec(directory: string, spec: TrainSpec): boolean {
  return (
    existsSync(jobFiles(directory).spec) &&
    JSON.stringify(readSpec(directory)) === JSON.stringify(JSON.parse(JSON.stringify(spec)))
  );
}

const isDone = (directory: string, spec: TrainSpec) =>
  sameSpec(directory, spec) &&
  readStatus(directory).state === 'finished' &&
  existsSync(jobFiles(directory).adapter);

/** Held-out loss, parameters, seconds and bytes of what was compared. */
function table(columns: readonly DemoColumn[], held: number): void {
  say(`\n${'adapter'.padEnd(12)}  held-out loss  parameters  training s      file`);
  for (const { title, directory, file, step, parameters } of columns) {
    const events = effectiveEvents(readEvents(jobFiles(directory).events));
    const loss = events.findLast((e) => e.type === 'validation' && e.step === step);
    const seconds = events.reduce(
      (sum, e) => (e.type === 'step' && e.step <= step ? sum + e.seconds : sum),
      0,
    );
    const cells = [
      `${title} ${step}`.padEnd(12),
      (loss?.type === 'validation' ? loss.loss.toFixed(4) : '-').padStart(13),
      String(parameters).padStart(10),
      seconds.toFixed(1).padStart(10),
      bytes(statSync(file).size).padStart(8),
    ];
    say(cells.join('  '));
  }
  say(
    held > 0
      ? `(loss on ${held} pictures that neither was trained on, fixed noise)`
      : '(loss on the training pictures with fixed noise: none is held out)',
  );
}
