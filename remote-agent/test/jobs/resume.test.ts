import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { continueTo, specFor } from '../../src/cli/train.ts';
import { effectiveEvents, type LoggedEvent, readEvents } from '../../src/jobs/event-log.ts';
import { createJob, jobFiles, readStatus } from '../../src/jobs/job.ts';
import { startTrainer } from '../../src/jobs/start.ts';
import type { MethodName } from '../../src/subject/schema.ts';
import { goldenPath } from '../training/golden.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const bundle = join(root, 'remote-agent/dist/trainer.js');
const work = mkdtempSync(join(tmpdir(), 'para-resume-'));
const steps = 60;

/** A subject on the tiny base that saves its state every 7 steps, samples once and validates. */
function makeJob(name: string, method: MethodName, wanted = steps): string {
  const subject = join(work, 'subject.para.json');
  writeFileSync(
    subject,
    JSON.stringify({
      base: goldenPath('bases/tiny-optimum'),
      pictures: [join(root, 'examples/robot/*.png')],
      trigger: 'zwx',
      class: 'robot',
      training: {
        steps: wanted,
        batch: 2,
        seed: 3,
        flip: true,
        captionDropout: 0.1,
        noiseOffset: 0.05,
        learningRate: 1e-3,
      },
      samples: { every: 40, steps: 3, prompts: ['a zwx robot'] },
      validation: { every: 20, timesteps: 2 },
      checkpoints: { every: 7, keep: [20] },
    }),
  );
  const directory = join(work, name);
  createJob(directory, specFor(subject, { method, steps: wanted }, '2026-01-02T03:04:05.000Z'));
  return directory;
}

const hashOf = (directory: string) =>
  createHash('sha256')
    .update(readFileSync(jobFiles(directory).adapter))
    .digest('hex');

async function finish(directory: string, onEvent: (event: LoggedEvent) => void = () => {}): Promise<void> {
  const { outcome, error } = await startTrainer(directory, onEvent, bundle).done;
  expect(error).toBeUndefined();
  expect(outcome).toBe('finished');
}

let reference = '';
beforeAll(async () => {
  const directory = makeJob('reference', 'para');
  await finish(directory);
  reference = hashOf(directory);
});
afterAll(() => rmSync(work, { recursive: true, force: true }));

describe('a run', () => {
  it('gives the same adapter bytes when it is made twice', async () => {
    const directory = makeJob('twice', 'para');
    await finish(directory);
    expect(hashOf(directory)).toBe(reference);
  });

  it('ends with the same bytes when it is killed twenty times on its way and resumed', async () => {
    const directory = makeJob('killed', 'para');
    const log: string[] = [];
    for (let kill = 0; kill < 20; kill++) {
      // Spread over the run: each trainer dies a little further on, some while they write their state.
      const target = Math.round(((kill + 1) * (steps - 4)) / 20);
      const inWrite = kill % 5 === 2;
      let phase = '';
      const trainer = startTrainer(
        directory,
        (event) => {
          if (event.type === 'phase') phase = event.name;
          if (event.type !== 'step') return;
          phase = `step ${event.step}`;
          // The state is written after every 7th step, straight after that step's event is sent.
          const here = inWrite ? event.step % 7 === 0 && event.step >= target - 6 : event.step >= target;
          if (here && trainer.pid !== undefined) process.kill(trainer.pid, 'SIGKILL');
        },
        bundle,
      );
      const { outcome } = await trainer.done;
      log.push(`${inWrite ? 'while the state is written, ' : ''}after ${phase}`);
      expect(outcome, `kill ${kill + 1} came after the end`).toBe('failed');
      expect(readStatus(directory).state).toBe('interrupted');
    }
    console.log(`killed ${log.join('; ')}`);
    await finish(directory);
    expect(hashOf(directory)).toBe(reference);
    const events = readEvents(jobFiles(directory).events);
    expect(events.map((e) => e.seq)).toEqual(events.map((_, i) => i + 1));
    const made = effectiveEvents(events).flatMap((e) => (e.type === 'step' ? [e.step] : []));
    expect(made).toEqual(Array.from({ length: steps }, (_, i) => i + 1));
    const left = readdirSync(directory, { recursive: true }).filter((name) => String(name).endsWith('.tmp'));
    expect(left, 'half-written files').toEqual([]);
  });

  it('saves its state when it is asked to stop, and goes on from exactly there', async () => {
    const directory = makeJob('stopped', 'para');
    const trainer = startTrainer(
      directory,
      (e) => e.type === 'step' && e.step === 17 && trainer.stop(),
      bundle,
    );
    expect((await trainer.done).outcome).toBe('stopped');
    const { state, step } = readStatus(directory);
    expect(state).toBe('stopped');
    const resumed: number[] = [];
    await finish(directory, (e) => e.type === 'resumed' && resumed.push(e.fromStep));
    expect(resumed).toEqual([step]);
    expect(hashOf(directory)).toBe(reference);
  });

  it('equals a longer run when it is continued to its length', async () => {
    const directory = makeJob('continued', 'para', 30);
    await finish(directory);
    continueTo(directory, steps, false);
    await finish(directory);
    expect(hashOf(directory)).toBe(reference);
  });

  it('is refused a second trainer while one works on it', async () => {
    const directory = makeJob('twice-at-once', 'lora');
    let second: Promise<{ outcome: string; error?: { message: string } }> | undefined;
    const first = startTrainer(
      directory,
      (e) => {
        if (e.type === 'step' && e.step === 2) second ??= startTrainer(directory, () => {}, bundle).done;
      },
      bundle,
    );
    expect((await first.done).outcome).toBe('finished');
    const { outcome, error } = await second!;
    expect(outcome).toBe('failed');
    expect(error?.message).toContain('Another trainer');
  });

  it('keeps what it wrote readable for a reader when its last line is torn', () => {
    const path = join(work, 'torn.jsonl');
    const whole = JSON.stringify({ seq: 1, time: '', type: 'note', message: 'whole' });
    writeFileSync(path, `${whole}\n{"seq":2,"ti`);
    expect(readEvents(path).map((e) => e.seq)).toEqual([1]);
    expect(dirname(path)).toBe(work);
  });
});
