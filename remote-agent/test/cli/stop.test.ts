import { spawn, spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readEvents } from '../../src/jobs/event-log.ts';
import { createJob, jobFiles, readStatus } from '../../src/jobs/job.ts';
import { lockHolder } from '../../src/jobs/lock.ts';
import { paintAll, tinySpec } from '../training/runs.ts';

const para = fileURLToPath(new URL('../../bin/para.js', import.meta.url));
const work = mkdtempSync(join(tmpdir(), 'para-stop-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));
const environment = { ...process.env, NO_COLOR: '1', PARA_HOME: join(work, 'home') };
const reference = join(work, 'reference');
const fresh = join(work, 'fresh');

beforeAll(async () => {
  const subject = join(work, 'subject');
  await paintAll(subject, [[16, 16]]);
  const spec = tinySpec(subject, { training: { steps: 200 }, checkpoints: { every: 200 } });
  for (const directory of [fresh, reference]) createJob(directory, spec);
  const { status, stdout } = spawnSync(process.execPath, [para, 'train', '--resume', 'reference'], {
    cwd: work,
    env: environment,
    encoding: 'utf8',
  });
  expect(status).toBe(0);
  // Without a terminal: plain lines, in which nothing is drawn over.
  expect(stdout).toMatch(/^subject para 200\/200 {2}loss \d\.\d+ {2}[\d.]+ steps\/s {2}0:00 left$/m);
  for (const control of ['\u001b', '\r']) expect(stdout).not.toContain(control);
});

/** Starts a run and waits until it has made some steps. */
async function started(name: string, program: readonly string[]) {
  const directory = join(work, name);
  cpSync(fresh, directory, { recursive: true });
  const child = spawn(program[0]!, program.slice(1), {
    cwd: work,
    env: environment,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
  const ended = new Promise<number | null>((resolve) => child.on('exit', resolve));
  while (!readEvents(jobFiles(directory).events).some((e) => e.type === 'step')) await pause(20);
  return { directory, child, ended, said: () => said };
}

describe('a run on the command line', () => {
  it.each(['SIGINT', 'SIGTERM'] as const)(
    'saves its state at %s, says how it goes on, and goes on to the same bytes',
    async (signal) => {
      const name = `stopped by ${signal}`;
      const { directory, child, ended, said } = await started(name, [
        process.execPath,
        para,
        'train',
        '--resume',
        name,
      ]);
      child.kill(signal);
      expect(await ended).toBe(130);
      const { state, step } = readStatus(directory);
      expect(state).toBe('stopped');
      expect(step).toBeLessThan(200);
      const [, command] = /continue with (.*)/.exec(said()) ?? [];
      expect(command).toContain('train --resume');
      const again = spawnSync('sh', ['-c', command!], { cwd: work, env: environment, encoding: 'utf8' });
      expect(again.status, again.stderr).toBe(0);
      const adapter = (run: string) => readFileSync(jobFiles(run).adapter);
      expect(adapter(directory).equals(adapter(reference))).toBe(true);
    },
  );

  it('saves its state and ends when the program that started it is killed', async () => {
    const { directory, child, ended } = await started('orphan', [
      process.execPath,
      para,
      'train',
      '--resume',
      'orphan',
    ]);
    child.kill('SIGKILL');
    await ended;
    while (lockHolder(jobFiles(directory).lock)) await pause(20);
    const { state, step } = readStatus(directory);
    expect(state).toBe('stopped');
    expect(step).toBeLessThan(200);
  });

  it('draws one bar over and over on a terminal, and no colours where they are not wanted', async () => {
    const command = [process.execPath, para, 'train', '--resume', 'terminal']
      .map((word) => `'${word}'`)
      .join(' ');
    cpSync(fresh, join(work, 'terminal'), { recursive: true });
    const { status, stdout } = spawnSync('script', ['-qec', command, '/dev/null'], {
      cwd: work,
      env: environment,
      encoding: 'utf8',
    });
    expect(status).toBe(0);
    expect(stdout).toContain('█');
    expect(stdout).toMatch(/200\/200 loss \d\.\d+ {2}[\d.]+ steps\/s {2}0:00 left/);
    expect(stdout.split('\n').filter((line) => line.includes('steps/s'))).toHaveLength(1);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: colours are escape sequences
    expect(stdout).not.toMatch(/\u001b\[\d*m/);
  });
});
