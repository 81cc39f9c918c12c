// The options of the check, in a checkout and in a pack, and how its program is started with them.
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const text = { type: 'string' };

/** What both take. */
export const sharedOptions = {
  only: { ...text, multiple: true, default: [] },
  minutes: { ...text, default: '9.5' },
  device: text,
  widths: text,
  pixels: text,
  'checked-pixels': text,
  seconds: text,
  checkpoint: text,
  work: { ...text, default: join(tmpdir(), 'para-gpu-check') },
  results: text,
  'torch-python': text,
  'cuda-libraries': { ...text, multiple: true, default: [] },
};

/**
 * Starts the check. On a card at full size the results are those of `kept` (a file of results and a page) unless --results
 * names another file; a rehearsal on another device, or with few channels, leaves them alone.
 * @param found what the machine has: root, programs, base, runtime, libraries, gpu, python
 * @returns the exit code
 */
export function startCheck(values, found, kept) {
  const device = values.device ?? 'cuda';
  const widths = values.widths ?? (device === 'cuda' ? 'full' : 'small');
  const real = device === 'cuda' && widths === 'full';
  const number = (given, full, little) => (given === undefined ? (real ? full : little) : Number(given));
  const work = resolve(values.work);
  const results = values.results
    ? { results: resolve(values.results), page: `${resolve(values.results).replace(/\.json$/, '')}.md` }
    : real
      ? kept
      : { results: join(work, 'rehearsal.json'), page: join(work, 'rehearsal.md') };
  const options = {
    ...found,
    ...{ device, widths, work, ...results },
    ...(values.checkpoint ? { checkpoint: resolve(values.checkpoint) } : {}),
    pixels: number(values.pixels, 1024, 64),
    checkedPixels: number(values['checked-pixels'], 512, 64),
    drawingSteps: real ? 30 : 3,
    seconds: number(values.seconds, 4, 1),
    ...{ minutes: Number(values.minutes), only: values.only },
  };
  const done = spawnSync(process.execPath, [join(found.programs, 'gpu-check.js'), JSON.stringify(options)], {
    stdio: 'inherit',
  });
  return done.status ?? 130;
}
