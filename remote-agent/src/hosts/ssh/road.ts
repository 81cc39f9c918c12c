import { spawn } from 'node:child_process';
import { connect as connectTcp } from 'node:net';
import { Duplex, PassThrough, Writable } from 'node:stream';
import type { HostSettings } from './settings.ts';

/** The bytes to and from a host. */
export interface Road {
  readonly stream: Duplex;
  close(): void;
}

/** Straight over the network. */
export function dial({ hostName, port, family }: HostSettings): Road {
  const stream = connectTcp({ host: hostName, port, family, autoSelectFamily: true, noDelay: true });
  return { stream, close: () => stream.destroy() };
}

/** The user's own ProxyCommand, by the user's own shell. */
export function commandRoad(command: string): Road {
  const shell = process.platform === 'win32' ? undefined : (process.env.SHELL ?? '/bin/sh');
  const child = shell
    ? spawn(shell, ['-c', `exec ${command}`], { stdio: ['pipe', 'pipe', 'pipe'] })
    : spawn(command, { stdio: ['pipe', 'pipe', 'pipe'], shell: true });
  let said = '';
  child.stderr.on('data', (part: Buffer) => {
    said = (said + part.toString()).slice(-1000);
  });
  child.stdin.on('error', () => {});
  const input = child.stdout.pipe(new PassThrough(), { end: false });
  // A write to a command that is gone is told by how it ended.
  const writable = new Writable({
    write: (part, encoding, done) => {
      child.stdin.write(part, encoding, () => done());
    },
    final: (done) => {
      child.stdin.end(() => done());
    },
  });
  const stream = Duplex.from({ readable: input, writable });
  child.on('error', (error) => stream.destroy(error));
  // Not the end of its output, which comes first: how it ended says more.
  child.on('close', (code) => {
    if (code) stream.destroy(new Error(`ProxyCommand ended with ${code}: ${said.trim()}`));
    else input.end();
  });
  return { stream, close: () => child.kill() };
}
