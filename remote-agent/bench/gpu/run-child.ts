// The stage `run` of `npm run gpu-check`: a training run as a user starts it, taken apart; JSON in, JSON out.
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DeviceName } from '../../src/runtime/device.ts';
import { measuredRun } from '../measured-run.ts';
import { median } from '../numbers.ts';

export interface RunCase {
  /** Path of the base. */
  readonly base: string;
  readonly method: 'para' | 'lora';
  readonly device: DeviceName;
  readonly pixels: number;
  readonly steps: number;
  /** Pictures of a subject. */
  readonly pictures: readonly string[];
  /** Where the subject's file is written. */
  readonly folder: string;
}

export interface RunRow {
  readonly method: 'para' | 'lora';
  readonly pixels: number;
  readonly steps: number;
  readonly firstStepMs: number;
  readonly stepMs: number;
  /** Everything but the session's run, as a share of a step. */
  readonly share: number;
  /** Median milliseconds of each part of a step. */
  readonly parts: Readonly<Record<string, number>>;
}

const { base, method, device, pixels, steps, pictures, folder } = JSON.parse(process.argv[2]!) as RunCase;
mkdirSync(folder, { recursive: true });
const names = pictures.map((path, i) => {
  const name = `picture-${i}.png`;
  copyFileSync(path, join(folder, name));
  return name;
});
const subject = join(folder, 'subject.para.json');
writeFileSync(
  subject,
  JSON.stringify({
    ...{ base, pictures: names, class: 'dog', training: { steps, resolution: pixels } },
    ...{ samples: { every: 0 }, validation: { every: 0 } },
  }),
);
const { firstStepMs, steps: all } = await measuredRun(subject, method, steps, { device });
// The first ones still warm compilers and caches up.
const kept = all.slice(Math.min(3, Math.floor(all.length / 3)));
const whole = kept.map((list) => list.reduce((sum, { ms }) => sum + ms, 0));
const inside = kept.map((list) =>
  list.filter(({ part }) => part === 'session').reduce((sum, { ms }) => sum + ms, 0),
);
const parts = Object.fromEntries(
  [...new Set(kept[0]!.map(({ part }) => part))].map((name) => [
    name,
    median(kept.map((list) => list.filter(({ part }) => part === name).reduce((sum, { ms }) => sum + ms, 0))),
  ]),
);
const row: RunRow = {
  ...{ method, pixels, steps: kept.length, firstStepMs, parts },
  stepMs: median(whole),
  share: median(whole.map((ms, i) => 1 - inside[i]! / ms)),
};
process.stdout.write(`${JSON.stringify(row)}\n`);
