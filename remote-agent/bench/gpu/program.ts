import { spawn } from 'node:child_process';
import { failure } from '../last-words.ts';

/**
 * Runs a program to its end. @returns the last line that it printed
 * @throws Error with its last words when it fails or `signal` ends it
 */
export function run(
  command: readonly string[],
  options: { readonly env: NodeJS.ProcessEnv; readonly signal: AbortSignal; readonly name: string },
): Promise<string> {
  const [program, ...args] = command;
  return new Promise((done, failed) => {
    options.signal.throwIfAborted();
    const child = spawn(program!, args, { env: options.env, stdio: ['ignore', 'pipe', 'pipe'] });
    const end = () => child.kill('SIGKILL');
    options.signal.addEventListener('abort', end, { once: true });
    let [said, complained] = ['', ''];
    child.stdout.on('data', (text) => {
      said = (said + text).slice(-1_000_000);
    });
    child.stderr.on('data', (text) => {
      complained = (complained + text).slice(-20_000);
    });
    child.on('error', failed);
    child.on('close', (code, signal) => {
      options.signal.removeEventListener('abort', end);
      if (options.signal.aborted) failed(options.signal.reason);
      else if (code === 0) done(said.trim().split('\n').at(-1) ?? '');
      else failed(failure(options.name, code, signal, complained));
    });
  });
}
