import { spawn } from 'node:child_process';

/** What a program said before it failed, on a line: from the last line that names an error on, else its end. */
export function lastWords(said: string): string {
  const lines = said
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !/^\^+$|^at |^Node\.js v/.test(line));
  const error = lines.findLastIndex((line) =>
    /^(\w*(Error|Exit|Exception|Interrupt)\b|\w+(\.\w+)+: )/.test(line),
  );
  const words = error < 0 ? lines.slice(-3) : lines.slice(error, error + 3);
  return words.join(' / ').slice(0, 500);
}

/** Says how a child ended, with its last words. */
export function failure(program: string, code: number | null, signal: string | null, said: string): Error {
  const how = signal === null ? `ended with code ${code}` : `was ended by ${signal}`;
  const words = lastWords(said);
  return new Error(words ? `${program} ${how}: ${words}` : `${program} ${how}`);
}

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
