import { existsSync, rmSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { openBase } from '../diffusion/base.ts';
import { effectiveEvents, readEvents } from '../jobs/event-log.ts';
import { createJob, jobFiles, readSpec, readStatus } from '../jobs/job.ts';
import type { TrainSpec } from '../subject/train-spec.ts';
import { loadAdapter, loadApplied, parameterCount } from './adapters.ts';
import { drawComparison } from './compare.ts';
import { runJob } from './local-run.ts';
import { bold, bytes, green, say } from './output.ts';
import { readPrompts } from './prompts.ts';
import { specFor } from './train.ts';

/** Date in the demo's adapters: fixed, so that a second run sees the same settings and has nothing to do. */
const createdAt = '2026-01-01T00:00:00.000Z';

/** Steps after which LoRA is compared with PaRa's end. */
const early = 200;

/**
 * `npm run demo`: trains one subject with PaRa (200 steps) and LoRA (1000 steps) and compares base, LoRA at 200, LoRA
 * at 1000 and PaRa at 200. What is there already is not made again.
 */
export async function demoCommand(options: {
  readonly out: string;
  readonly subject: string;
}): Promise<number> {
  const out = resolve(options.out);
  const subject = resolve(options.subject);
  const specs = [
    specFor(subject, { method: 'para', steps: early }, createdAt),
    specFor(subject, { method: 'lora', steps: 1000, keep: [early] }, createdAt),
  ];
  let changed = false;
  for (const spec of specs) {
    const directory = join(out, spec.method.name);
    if (isDone(directory, spec)) {
      say(`${spec.method.name} is trained already`);
      continue;
    }
    changed = true;
    if (!sameSpec(directory, spec)) {
      rmSync(directory, { recursive: true, force: true });
      createJob(directory, spec);
    }
    if (!(await runJob(directory))) return 130;
  }
  const [para, lora] = specs.map((spec) => join(out, spec.method.name)) as [string, string];
  const base = openBase(specs[0]!.base.name);
  const files = {
    para: jobFiles(para).adapter,
    early: join(jobFiles(lora).checkpoints, `step-${String(early).padStart(6, '0')}.safetensors`),
    lora: jobFiles(lora).adapter,
  };
  const sheet = join(out, 'compare.png');
  const prompts = readPrompts(join(dirname(subject), 'compare.prompts'));
  const column = (title: string, path: string) => {
    const adapter = loadAdapter(path);
    return {
      title,
      note: `${adapter.info.steps} steps, ${parameterCount(adapter)} parameters`,
      adapter: loadApplied(path, 1, base),
    };
  };
  if (changed || !existsSync(sheet))
    await drawComparison(
      base,
      [
        { title: 'base', note: base.name },
        column('LoRA', files.early),
        column('LoRA', files.lora),
        column('PaRa', files.para),
      ],
      prompts,
      sheet,
    );
  table(para, lora, files);
  say(`\n${green('All of it is in')} ${bold(relative(process.cwd(), out) || '.')}`);
  for (const path of [sheet, files.para, files.lora]) say(`  ${relative(process.cwd(), path)}`);
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
function table(para: string, lora: string, files: { para: string; early: string; lora: string }): void {
  const row = (name: string, directory: string, path: string, step: number) => {
    const events = effectiveEvents(readEvents(jobFiles(directory).events));
    const loss = events.findLast((e) => e.type === 'validation' && e.step === step);
    const seconds = events.reduce(
      (sum, e) => (e.type === 'step' && e.step <= step ? sum + e.seconds : sum),
      0,
    );
    const cells = [
      name.padEnd(12),
      loss?.type === 'validation' ? loss.loss.toFixed(4) : '-',
      String(parameterCount(loadAdapter(path))).padStart(11),
      seconds.toFixed(1).padStart(9),
      bytes(statSync(path).size).padStart(9),
    ];
    say(cells.join('  '));
  };
  say(`\n${'adapter'.padEnd(12)}  held-out loss  parameters  training s      file`);
  row('PaRa 200', para, files.para, early);
  row('LoRA 200', lora, files.early, early);
  row('LoRA 1000', lora, files.lora, 1000);
  const held = readSpec(para).validationPictures.length;
  say(
    held > 0
      ? `(loss on ${held} pictures that neither was trained on, fixed noise)`
      : '(loss on the training pictures with fixed noise: none is held out)',
  );
}
