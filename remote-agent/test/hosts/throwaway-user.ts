// A user of this machine for one test; only root can make one.
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chownSync } from 'node:fs';
import { isRunning, killHard, processesOf } from './processes.ts';

export class ThrowawayUser {
  readonly name = `para-test-${randomBytes(4).toString('hex')}`;
  readonly uid: number;

  /** Without a password no password fits, but keys do. */
  constructor(home: string, password?: string) {
    execFileSync('useradd', ['-M', '-U', '-d', home, '-s', '/bin/bash', '-p', '*', this.name], {
      stdio: 'pipe',
    });
    if (password !== undefined) execFileSync('chpasswd', { input: `${this.name}:${password}\n` });
    const id = (flag: string) => Number(execFileSync('id', [flag, this.name], { encoding: 'utf8' }));
    this.uid = id('-u');
    chownSync(home, this.uid, id('-g'));
  }

  /** Ends its processes and deletes it. */
  async remove(): Promise<void> {
    while (processesOf(this.uid).some(isRunning)) {
      for (const pid of processesOf(this.uid)) killHard(pid);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    execFileSync('userdel', ['-f', this.name], { stdio: 'ignore' });
  }
}
