import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { lockHolder, takeLock, underLock } from '../../src/jobs/lock.ts';
import { isAlive, thisProcess } from '../../src/jobs/process-life.ts';
import { bundleProgram } from './bundle.ts';

const work = mkdtempSync(join(tmpdir(), 'para-lock-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));
afterEach(() => {
  delete process.env.PARA_BOOT_ID_FILE;
});

describe('a lock', () => {
  it('is held by one process at a time, though holders are killed and many come at once', async () => {
    const program = bundleProgram(new URL('./contender.ts', import.meta.url), work);
    // The package's modules are found from there.
    const folder = join(work, 'many');
    mkdirSync(folder);
    const lock = join(folder, 'lock');
    const running = new Set<ChildProcess>();
    let killed = 0;
    let said = '';
    const contend = async () => {
      for (let life = 0; life < 25; life++) {
        const child = spawn(process.execPath, [program, lock, '20'], {
          stdio: ['ignore', 'pipe', 'inherit'],
        });
        running.add(child);
        child.stdout.on('data', (part) => {
          said += part;
        });
        const signal = await new Promise((resume) => child.on('close', (_, how) => resume(how)));
        running.delete(child);
        if (signal === 'SIGKILL') killed++;
      }
    };
    // A process that is held up between two looks at a file finds another world at the second.
    const holdUp = setInterval(() => {
      const all = [...running];
      const child = all[Math.floor(Math.random() * all.length)];
      child?.kill('SIGSTOP');
      setTimeout(() => child?.kill('SIGCONT'), 8);
    }, 3);
    await Promise.all(Array.from({ length: 6 }, contend));
    clearInterval(holdUp);
    expect(said).toBe('');
    expect(killed).toBeGreaterThan(20);
    takeLock(lock)();
    expect(readdirSync(folder).filter((name) => !name.endsWith('.tmp'))).toEqual([]);
  });

  it('of a dead process, of a process that is dead but not reaped, and of another boot is nobody’s', () => {
    const lock = join(work, 'stale');
    const gone = spawnSync(process.execPath, ['-e', '']);
    const marks = [
      { ...thisProcess(), pid: gone.pid },
      { ...thisProcess(), start: '1' },
    ];
    for (const mark of marks) {
      writeFileSync(lock, JSON.stringify({ ...mark, token: '0123456789abcdef' }));
      expect(lockHolder(lock)).toBeUndefined();
      takeLock(lock)();
    }
    const boot = join(work, 'boot');
    writeFileSync(boot, 'first\n');
    process.env.PARA_BOOT_ID_FILE = boot;
    takeLock(lock);
    expect(lockHolder(lock)?.pid).toBe(process.pid);
    writeFileSync(boot, 'second\n');
    expect(lockHolder(lock)).toBeUndefined();
    takeLock(lock)();
    expect(readdirSync(work).filter((name) => name.startsWith('stale'))).toEqual([]);
  });

  it('that a power cut tore is nobody’s', () => {
    const lock = join(work, 'torn');
    for (const content of ['', '{"pid":', '{"pid":1}', 'null']) {
      writeFileSync(lock, content);
      takeLock(lock)();
    }
  });

  it('refuses a second holder and says who has it; given back it is free', () => {
    const lock = join(work, 'busy');
    const unlock = takeLock(lock);
    expect(() => takeLock(lock)).toThrow(`Another process (${process.pid}) is working on this run`);
    unlock();
    unlock();
    takeLock(lock)();
  });

  it('is given back when the work under it fails', () => {
    const lock = join(work, 'work');
    expect(() =>
      underLock(lock, 'this', () => {
        expect(JSON.parse(readFileSync(lock, 'utf8'))).toMatchObject({ pid: process.pid });
        throw new Error('as planned');
      }),
    ).toThrow('as planned');
    expect(lockHolder(lock)).toBeUndefined();
  });
});

it('takes a killed child that nobody has reaped for dead', async () => {
  // The shell starts a child, becomes a program that never waits for it, and the child is killed.
  const parent = spawn('sh', ['-c', 'sleep 60 & echo $!; exec sleep 60'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const pid = Number(await new Promise((resume) => parent.stdout.once('data', (d) => resume(String(d)))));
  const stat = () => readFileSync(`/proc/${pid}/stat`, 'utf8');
  const start = stat()
    .slice(stat().lastIndexOf(')') + 2)
    .split(' ')[19]!;
  const mark = { ...thisProcess(), pid, start };
  expect(isAlive(mark)).toBe(true);
  process.kill(pid, 'SIGKILL');
  while (!/\) Z /.test(stat())) await new Promise((resume) => setTimeout(resume, 5));
  expect(isAlive(mark)).toBe(false);
  parent.kill('SIGKILL');
});
