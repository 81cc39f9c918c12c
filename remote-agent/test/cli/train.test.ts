import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LoggedEvent } from '../../src/jobs/event-log.ts';
import { readSpec } from '../../src/jobs/job.ts';
import { goldenPath } from '../training/golden.ts';
import { paintAll } from '../training/runs.ts';
import { para, program } from './program.ts';

const work = mkdtempSync(join(tmpdir(), 'para-train-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));
const home = join(work, 'home');
const run = (...words: string[]) => program([process.execPath, para, ...words], { cwd: work, home });
const subject = (name: string, more: object = {}) =>
  writeFileSync(
    join(work, `${name}.para.json`),
    JSON.stringify({
      base: goldenPath('bases/tiny-optimum'),
      pictures: ['pictures'],
      class: 'thing',
      samples: { every: 2, steps: 2 },
      validation: { every: 1, timesteps: 1 },
      ...more,
    }),
  );

beforeAll(() => paintAll(work, [[16, 16]]));

describe('para train', () => {
  it('trains both methods, and tells every event as a line of JSON when asked to', async () => {
    subject('pot');
    const { code, said } = await run(
      ...[
        'train',
        'pot.para.json',
        '--method',
        'both',
        '--steps',
        '2',
        '--out',
        'both',
        '--memory',
        'lean',
        '--json',
      ],
    );
    expect(code, said).toBe(0);
    for (const method of ['para', 'lora']) {
      expect(existsSync(join(work, 'both', method, 'adapter.safetensors'))).toBe(true);
      const { training } = readSpec(join(work, 'both', method));
      expect([training.steps, training.memory]).toEqual([2, 'lean']);
    }
    const events = said
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as LoggedEvent);
    expect(events.filter(({ type }) => type === 'finished')).toHaveLength(2);
    expect(events.filter(({ type }) => type === 'step')).toHaveLength(4);
  });

  it('puts a run among the others, where it is listed, shown, and continued by its name', async () => {
    subject('cup');
    expect((await run('train', 'cup.para.json', '--steps', '2')).code).toBe(0);
    const list = (await run('runs')).said;
    const [, name] = /^(\d{8}-\d{6}-cup-para) +finished +2\/2 +para +loss \d\.\d{4}$/m.exec(list) ?? [];
    expect(name, list).toBeDefined();
    const shown = (await run('show', name!)).said;
    expect(shown).toContain('cup  para  finished  2/2 steps');
    expect(shown).toMatch(/ \d\.\d{4} │.*█/);
    expect(shown).toMatch(/validation {2}1: \d\.\d{4} {3}2: \d\.\d{4}/);
    expect(shown).toMatch(/sample 2 {2}a zwx thing .*samples\/step-000002-0\.png/);
    expect(shown).toContain('"learningRate": 0.01');
    expect((await run('train', '--resume', name!, '--steps', '3')).code).toBe(0);
    expect((await run('show', name!)).said).toContain('cup  para  finished  3/3 steps');
  });

  it('tells what changes between sizes of pictures took, as it trains and afterwards', async () => {
    await paintAll(join(work, 'shapes'), [
      [16, 16],
      [20, 12],
    ]);
    subject('vase', {
      pictures: ['shapes/pictures'],
      training: { crop: 'buckets' },
      samples: { every: 0 },
      validation: { every: 0 },
    });
    const { code, said } = await run('train', 'vase.para.json', '--steps', '4', '--out', 'vase');
    expect(code, said).toBe(0);
    expect(said).toMatch(/Changing from pictures of \d+ x \d+ to \d+ x \d+ took \d+\.\d s/);
    const sum = /changed [23] times between sizes of pictures: \d+\.\d s of \d+\.\d \(\d+ %\)/;
    expect(said).toMatch(sum);
    expect((await run('show', 'vase')).said).toMatch(sum);
  });

  it('asks before it stretches a falling learning rate', async () => {
    subject('mug', { training: { schedule: 'cosine', steps: 2 } });
    expect((await run('train', 'mug.para.json', '--out', 'mug')).code).toBe(0);
    const asked = await run('train', '--resume', 'mug', '--steps', '3');
    expect(asked.code).toBe(1);
    expect(asked.said).toContain('--continue-schedule');
    expect((await run('train', '--resume', 'mug', '--steps', '3', '--continue-schedule')).code).toBe(0);
  });

  it('says what is wrong with a subject file, where, and what to do', async () => {
    subject('bad', { training: { stesp: 3 } });
    const { code, said } = await run('train', 'bad.para.json');
    expect(code).toBe(1);
    expect(said).toMatch(/^error Unknown setting "stesp" in training\n {2}where: .*bad\.para\.json:1:\d+\n/);
    expect(said).toContain('what to do: did you mean "steps"?');
  });
});
