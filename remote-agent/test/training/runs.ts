import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { specFor } from '../../src/cli/train.ts';
import { jobFiles } from '../../src/jobs/job.ts';
import type { TrainSpec } from '../../src/subject/train-spec.ts';
import type { TrainEvent } from '../../src/training/events.ts';
import type { TrainPrograms } from '../../src/training/programs.ts';
import { train } from '../../src/training/train.ts';
import { goldenPath } from './golden.ts';

/** A picture of soft colours that differ from place to place and from `seed` to `seed`. */
export async function paint(path: string, width: number, height: number, seed: number): Promise<void> {
  const rgb = new Uint8Array(3 * width * height);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      for (let c = 0; c < 3; c++)
        rgb[(y * width + x) * 3 + c] = Math.round(
          127.5 + 127 * Math.sin((x / 23) * (c + 1) + (y / 31) * (3 - c) + 1.7 * seed),
        );
  await sharp(rgb, { raw: { width, height, channels: 3 } })
    .png()
    .toFile(path);
}

/** Paints pictures of these sizes into `directory`/pictures. */
export async function paintAll(
  directory: string,
  sizes: readonly (readonly [number, number])[],
): Promise<string[]> {
  mkdirSync(join(directory, 'pictures'), { recursive: true });
  const files = sizes.map((_, i) => join(directory, 'pictures', `p${i}.png`));
  for (const [i, [width, height]] of sizes.entries()) await paint(files[i]!, width, height, i);
  return files;
}

/** A spec on the tiny base (16 px), short and without samples unless `more` says otherwise. */
export function tinySpec(directory: string, more: Record<string, unknown> = {}): TrainSpec {
  const file = join(directory, 'subject.para.json');
  const { training, validation, ...rest } = more;
  writeFileSync(
    file,
    JSON.stringify({
      base: goldenPath('bases/tiny-optimum'),
      pictures: ['pictures'],
      class: 'thing',
      // The last blocks alone: quickly built.
      method: { layers: 'up_blocks.**.attn{1,2}.to_*' },
      samples: { every: 0 },
      ...rest,
      training: { steps: 6, learningRate: 1e-3, ...(training as object) },
      validation: { every: 0, ...(validation as object) },
    }),
  );
  return specFor(file, {}, '2026-01-02T03:04:05.000Z');
}

/** Trains in this process to the end, or until it is stopped after a step, in a folder of its own. */
export async function run(
  directory: string,
  name: string,
  spec: TrainSpec,
  stopAfter = Number.POSITIVE_INFINITY,
  programs: TrainPrograms = {},
): Promise<{ files: ReturnType<typeof jobFiles>; events: TrainEvent[] }> {
  const files = jobFiles(join(directory, name));
  mkdirSync(join(directory, name), { recursive: true });
  const events: TrainEvent[] = [];
  const shouldStop = () => events.some((e) => e.type === 'step' && e.step >= stopAfter);
  await train(spec, files, { emit: (event) => events.push(event), shouldStop }, programs);
  return { files, events };
}

/** Messages of a run's notes. */
export const notes = (events: readonly TrainEvent[]): string =>
  events.flatMap((e) => (e.type === 'note' ? [e.message] : [])).join('\n');
