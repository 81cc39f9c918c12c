import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readEvents } from '../../src/jobs/event-log.ts';
import { createJob, jobFiles, readSpec, readStatus } from '../../src/jobs/job.ts';
import { lockHolder } from '../../src/jobs/lock.ts';
import { paintAll, tinySpec } from '../training/runs.ts';
import { para, program, start } from './program.ts';

const work = mkdtempSync(join(tmpdir(), 'para-stop-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));
const home = join(work, 'home');
const train = (run: string) => [process.execPath, para, 'train', '--resume', run];
const reference = join(work, 'reference');
const fresh = join(work, 'fresh');

beforeAll(async () => {
  const subject = join(work, 'subject');
  await paintAll(subject, [[16, 16]]);
  const spec = tinySpec(subject, { training: { steps: 200 }, checkpoints: { every: 200 } });
  for (const directory of [fresh, reference]) createJob(directory, spec);
  const { code, said } = await program(train('reference'), { cwd: work, home });
  expect(code).toBe(0);
  // Without a terminal: plain lines, in which nothing is drawn over.
  expect(said).toMatch(/^subject para 200\/200 {2}loss \d\.\d+ {2}[\d.]+ steps\/s {2}0:00 left$/m);
  for (const control of ['\u001b', '\r']) expect(said).not.toContain(control);
});

/** Starts a run and waits until it has made a step. */
async function started(name: string) {
  const directory = join(work, name);
  cpSync(fresh, directory, { recursive: true });
  const { child, ended } = start(train(name), { cwd: work, home });
  while (!readEvents(jobFiles(directory).events).some((e) => e.type === 'step')) await pause(20);
  return { directory, child, ended };
}

describe('a run on the command line', () => {
  it.each(['SIGINT', 'SIGTERM'] as const)(
    'saves its state at %s, says how it goes on, and goes on to the same bytes',
    async (signal) => {
      const { directory, child, ended } = await started(`stopped by ${signal}`);
      child.kill(signal);
      const { code, said } = await ended;
      expect(code).toBe(130);
      const { state, step } = readStatus(directory);
      expect(state).toBe('stopped');
      expect(step).toBeLessThan(200);
      const [, command] = /continue with (.*)/.exec(said) ?? [];
      expect(command).toContain('train --resume');
      const again = await program(['sh', '-c', command!], { cwd: work, home });
      expect(again.code, again.said).toBe(0);
      const adapter = (run: string) => readFileSync(jobFiles(run).adapter);
      expect(adapter(directory).equals(adapter(reference))).toBe(true);
    },
  );

  it('ends at once at a second signal, with its last saved state', async () => {
    const directory = join(work, 'twice');
    // Each of its samples takes longer than anybody waits.
    const { samples, ...spec } = readSpec(fresh);
    createJob(directory, { ...spec, samples: { ...samples, every: 1, steps: 900, prompts: ['x'] } });
    const { child, ended, heard } = start(train('twice'), { cwd: work, home });
    while (!readEvents(jobFiles(directory).events).some((e) => e.type === 'step')) await pause(20);
    child.kill('SIGINT');
    while (!heard().includes('Stopping')) await pause(20);
    child.kill('SIGINT');
    const { code, said } = await ended;
    expect(code).toBe(130);
    expect(said).toMatch(/^Ended; its last saved state stays. continue with .*train --resume twice$/m);
    expect(readStatus(directory).state).toBe('interrupted');
  });

  it('saves its state and ends when the program that started it is killed', async () => {
    const { directory, child, ended } = await started('orphan');
    child.kill('SIGKILL');
    await ended;
    while (lockHolder(jobFiles(directory).lock)) await pause(20);
    const { state, step } = readStatus(directory);
    expect(state).toBe('stopped');
    expect(step).toBeLessThan(200);
  });

  it('draws one bar over and over on a terminal, and no colours where they are not wanted', async () => {
    cpSync(fresh, join(work, 'terminal'), { recursive: true });
    const command = train('terminal')
      .map((word) => `'${word}'`)
      .join(' ');
    const { code, said } = await program(['script', '-qec', command, '/dev/null'], { cwd: work, home });
    expect(code).toBe(0);
    expect(said).toContain('█');
    expect(said).toMatch(/200\/200 loss \d\.\d+ {2}[\d.]+ steps\/s {2}0:00 left/);
    expect(said.split('\n').filter((line) => line.includes('steps/s'))).toHaveLength(1);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: colours are escape sequences
    expect(said).not.toMatch(/\u001b\[\d*m/);
  });
});
