import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** The program that the package installs as `para`. */
export const para = fileURLToPath(new URL('../../bin/para.js', import.meta.url));

export interface Ended {
  /** Exit code; `null` where a signal ended it. */
  readonly code: number | null;
  /** What it wrote to both streams, in the order in which it came. */
  readonly said: string;
}

type Setting = { readonly cwd: string; readonly home: string } & Record<string, string>;

/** Starts a program without colours, with its state in `home` and with further variables; `heard` is what it said so far. */
export function start(
  words: readonly string[],
  { cwd, home, ...variables }: Setting,
): { child: ChildProcess; ended: Promise<Ended>; heard: () => string } {
  const env = { ...process.env, NO_COLOR: '1', PARA_HOME: home, ...variables };
  const child = spawn(words[0]!, words.slice(1), { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, said }));
  });
  return { child, ended, heard: () => said };
}

/** Runs a program to its end, see `start`. */
export const program = (words: readonly string[], setting: Setting): Promise<Ended> =>
  start(words, setting).ended;
