import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { beginWork, readIdleCommand, setIdleCommand, waitForIdle } from '../../src/jobs/idle-command.ts';
import { changeQueue } from '../../src/jobs/queue-file.ts';
import { requests } from '../../src/protocol/contract.ts';
import { addJob, useHome } from './host.ts';

const home = useHome();
const agent = fileURLToPath(new URL('../../dist/agent.js', import.meta.url));
const pause = (ms: number) => new Promise((resume) => setTimeout(resume, ms));
const marker = () => join(home.path, 'done it');
const waitFor = async (path: string) => {
  while (!existsSync(path)) await pause(5);
};
/** Words with a space and a quote: no shell may read them. */
const touch = () => [
  process.execPath,
  '-e',
  `require('fs').writeFileSync(process.argv[1], "it's")`,
  marker(),
];

describe('the idle command', () => {
  it('is off by default, set and cleared by a command on the host alone, and no request of the protocol touches it', () => {
    const run = (...args: string[]) =>
      spawnSync(process.execPath, [agent, 'idle-command', ...args], { encoding: 'utf8', env: process.env });
    expect(run().stdout).toBe('No idle command is set\n');
    expect(run('30', '--', 'sudo', 'shutdown now').stdout).toContain('["sudo","shutdown now"]');
    expect(readIdleCommand()).toEqual({ minutes: 30, command: ['sudo', 'shutdown now'] });
    expect(statSync(join(home.path, 'idle-command.json')).mode & 0o777).toBe(0o600);
    for (const wrong of [['30'], ['0', '--', 'x'], ['x', '--', 'x'], ['30', 'x', 'y']])
      expect(run(...wrong).status).toBe(1);
    expect(run('off').stdout).toBe('No idle command is set\n');
    expect(Object.keys(requests).filter((name) => name.includes('idle'))).toEqual([]);
  });

  it('runs where nothing was ever trained: whoever sets it leaves somebody who waits', async () => {
    const [program, ...args] = touch();
    spawnSync(process.execPath, [agent, 'idle-command', '0.001', '--', program!, ...args], {
      env: process.env,
    });
    await waitFor(marker());
  });

  it('runs when the queue has been empty for so long, by no shell', async () => {
    setIdleCommand({ minutes: 0.001, command: touch() });
    await waitForIdle(10);
    await waitFor(marker());
    expect(readFileSync(marker(), 'utf8')).toBe("it's");
  });

  it('does not run while a job waits, nor where it was never set or its file is damaged', async () => {
    await waitForIdle(1);
    setIdleCommand({ minutes: 0.0001, command: touch() });
    addJob('a');
    await waitForIdle(1);
    changeQueue(() => [[], undefined]);
    writeFileSync(join(home.path, 'idle-command.json'), '{"minutes":0.0001,"command":[]}');
    await waitForIdle(1);
    expect(existsSync(marker())).toBe(false);
  });

  it('waits anew after each job, and ends where it is cleared meanwhile', async () => {
    setIdleCommand({ minutes: 0.01, command: touch() });
    const waiting = waitForIdle(5);
    for (let i = 0; i < 4; i++) {
      await pause(300);
      expect(existsSync(marker())).toBe(false);
      // A short job that nobody saw between two looks.
      changeQueue(() => [[{ id: 'x', client: 'a', device: 'cpu' }], undefined]);
      changeQueue(() => [[], undefined]);
    }
    setIdleCommand(undefined);
    await waiting;
    expect(existsSync(marker())).toBe(false);
  });

  it('waits anew after each drawing, however long it takes, but not for one that was killed', async () => {
    setIdleCommand({ minutes: 0.01, command: touch() });
    const waiting = waitForIdle(5);
    const done = beginWork('cpu-tiny');
    await pause(1200);
    done();
    for (let i = 0; i < 4; i++) {
      await pause(300);
      // So short that nobody saw it between two looks.
      beginWork('cpu-tiny')();
    }
    expect(existsSync(marker())).toBe(false);
    writeFileSync(
      join(home.path, 'working/cpu-dead.lock'),
      JSON.stringify({ pid: 1 << 30, start: '1', boot: 'x', token: '0'.repeat(16) }),
    );
    await waiting;
    await waitFor(marker());
  });

  it('waits while a file is sent to the machine, and while a base is imported there', async () => {
    setIdleCommand({ minutes: 0.005, command: touch() });
    const blobs = spawn(process.execPath, [agent, 'blobs'], { stdio: ['pipe', 'ignore', 'inherit'] });
    const sha256 = createHash('sha256').update('half').digest('hex');
    blobs.stdin.write(`{"op":"put","sha256":"${sha256}","size":4}\nha`);
    await waitFor(join(home.path, 'blobs', `${sha256}.part.lock`));
    const waiting = waitForIdle(5);
    await pause(1000);
    expect(existsSync(marker())).toBe(false);
    // A server that never answers.
    const server = createServer(() => {}).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const source = { kind: 'url', url: `http://127.0.0.1:${port}/base.zip` };
    const task = spawn(process.execPath, [agent, 'task'], { stdio: ['pipe', 'ignore', 'inherit'] });
    task.stdin.write(`${JSON.stringify({ task: 'import', id: 'a', name: 'x', source })}\n`);
    const lock = join(home.path, 'working', `task-${task.pid}.lock`);
    await waitFor(lock);
    blobs.kill('SIGKILL');
    await pause(1000);
    expect(existsSync(marker())).toBe(false);
    task.kill('SIGKILL');
    server.closeAllConnections();
    server.close();
    await waiting;
    await waitFor(marker());
    expect(existsSync(lock)).toBe(false);
  });
});
