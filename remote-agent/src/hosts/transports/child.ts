import { spawn } from 'node:child_process';
import type { Channel } from './transport.ts';

/** Starts a program of this machine as a channel. */
export function startChild(
  program: string,
  args: readonly string[],
  options: { readonly cwd?: string; readonly env?: NodeJS.ProcessEnv } = {},
): Channel {
  const child = spawn(program, args, { ...options, stdio: ['pipe', 'pipe', 'pipe'] });
  let said = '';
  child.stderr.on('data', (part: Buffer) => {
    said = (said + part.toString()).slice(-8000);
  });
  // A write to a program that is gone is told by its exit.
  child.stdin.on('error', () => {});
  const exit = new Promise<number | null>((resolve) => {
    child.on('error', (error) => {
      said += error.message;
      resolve(null);
    });
    // Not 'close': a connection master in the background keeps stderr open.
    child.on('exit', (code) => resolve(code));
  });
  return {
    stdin: child.stdin,
    stdout: child.stdout,
    errors: () => said,
    exit,
    kill: () => child.kill('SIGKILL'),
  };
}
