import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { isRunning, processesOf } from './processes.ts';
import { excused, makeKey, noSshd, noUsers, Sshd } from './sshd.ts';

const work = mkdtempSync(join(tmpdir(), 'para-sshd-test-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));
const key = join(work, 'key');

/** Runs a command over the system's ssh. */
function ssh(sshd: Sshd, command: string) {
  const known = join(work, 'known_hosts');
  writeFileSync(known, `${sshd.knownHost()}\n`);
  const options = [`UserKnownHostsFile=${known}`, 'BatchMode=yes', 'IdentitiesOnly=yes'];
  return spawnSync(
    'ssh',
    [
      '-F',
      'none',
      '-i',
      key,
      '-p',
      String(sshd.port),
      ...options.flatMap((o) => ['-o', o]),
      `${sshd.user}@127.0.0.1`,
      command,
    ],
    { encoding: 'utf8', input: '' },
  );
}

describe.skipIf(excused(noSshd))('the SSH server of the tests', () => {
  it('lets whoever runs the tests in by key, into a home of its own, and is gone afterwards', async () => {
    const sshd = await Sshd.start({
      authorized: [makeKey(key)],
      banner: 'Authorised use only\n',
      bashrc: 'echo noise\n',
    });
    const { stdout, stderr, status } = ssh(sshd, 'pwd; echo "$HOME"');
    expect(stdout).toBe(`noise\n${sshd.home}\n${sshd.home}\n`);
    expect(stderr).toContain('Authorised use only');
    expect(status).toBe(0);
    sshd.halt();
    expect(ssh(sshd, 'true').status).toBe(255);
    await sshd.restart();
    expect(ssh(sshd, 'exit 7').status).toBe(7);
    await sshd.stop();
    expect(existsSync(sshd.folder)).toBe(false);
  });
});

describe.skipIf(excused(noUsers))('a throw-away user', () => {
  it('logs in by key and is deleted with its processes', async () => {
    const sshd = await Sshd.start({
      user: 'throwaway',
      authorized: [readFileSync(`${key}.pub`, 'utf8').trim()],
    });
    const { stdout } = ssh(sshd, 'setsid sleep 1000 </dev/null >/dev/null 2>&1 & echo "$USER $HOME"');
    expect(stdout).toBe(`${sshd.user} ${sshd.home}\n`);
    await sshd.stop();
    expect(spawnSync('id', [sshd.user]).status).not.toBe(0);
    expect(processesOf(sshd.throwaway!.uid).filter(isRunning)).toEqual([]);
  });
});
