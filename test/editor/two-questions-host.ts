// A host that asks for two things in one go. OpenSSH's server asks PAM's questions one by one; others do not.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import ssh2 from 'ssh2';
import { makeKey } from '../../remote-agent/test/hosts/sshd.ts';

export interface TwoQuestionsHost {
  readonly port: number;
  readonly user: string;
  stop(): Promise<void>;
}

/** Starts one on 127.0.0.1 that runs what it is told with a home of its own. @param right both answers */
export async function startTwoQuestionsHost(right: readonly [string, string]): Promise<TwoQuestionsHost> {
  const home = mkdtempSync(join(tmpdir(), 'para-two-'));
  makeKey(join(home, 'key'));
  const server = new ssh2.Server({ hostKeys: [readFileSync(join(home, 'key'))] }, (client) => {
    client.on('authentication', (context) => {
      if (context.method !== 'keyboard-interactive') return context.reject(['keyboard-interactive']);
      const fields = [
        { prompt: 'Password: ', echo: false },
        { prompt: 'Verification code: ', echo: true },
      ];
      context.prompt(fields, (answers) => {
        if (answers.join('\n') === right.join('\n')) context.accept();
        else context.reject(['keyboard-interactive']);
      });
    });
    client.on('session', (accept) => {
      accept().on('exec', (acceptExec, _reject, { command }) => {
        const channel = acceptExec();
        const child = spawn('sh', ['-c', command], { cwd: home, env: { ...process.env, HOME: home } });
        channel.pipe(child.stdin);
        child.stdout.pipe(channel, { end: false });
        child.stderr.pipe(channel.stderr, { end: false });
        child.on('close', (code) => {
          channel.exit(code ?? 1);
          channel.end();
        });
      });
    });
    client.on('error', () => {}); // a client that leaves is none here
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    user: userInfo().username,
    stop: async () => {
      await new Promise((resolve) => server.close(resolve));
      rmSync(home, { recursive: true });
    },
  };
}
