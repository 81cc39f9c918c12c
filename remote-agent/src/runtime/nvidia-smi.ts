import { execFile, execFileSync } from 'node:child_process';
import { promisify } from 'node:util';

/** Where the driver's tool lies; the PATH of programs started over SSH often lacks its folder. */
export const driverTools = [
  'nvidia-smi',
  '/usr/bin/nvidia-smi',
  '/usr/local/nvidia/bin/nvidia-smi',
  '/usr/lib/wsl/lib/nvidia-smi',
];

/** Whether a program is not there: one that is there and fails would fail under its other names too. */
const isMissing = (cause: unknown) =>
  ['ENOENT', 'EACCES', 'ENOTDIR'].includes((cause as NodeJS.ErrnoException).code ?? '');

/** Longest that it may take to answer, in ms: a driver that hangs is none. */
const timeout = 10_000;

/** What `nvidia-smi` prints for these arguments; `undefined` where it is not there, or its driver does not answer. */
export async function nvidiaSmi(query: readonly string[]): Promise<string | undefined> {
  for (const program of driverTools) {
    try {
      return (await promisify(execFile)(program, query, { timeout })).stdout;
    } catch (cause) {
      if (!isMissing(cause)) return undefined;
    }
  }
  return undefined;
}

/** The same, for those who cannot wait: it blocks the thread. */
export function nvidiaSmiNow(query: readonly string[]): string | undefined {
  for (const program of driverTools) {
    try {
      return execFileSync(program, query, { encoding: 'utf8', timeout, stdio: ['ignore', 'pipe', 'ignore'] });
    } catch (cause) {
      if (!isMissing(cause)) return undefined;
    }
  }
  return undefined;
}

/** Arguments for a query that is printed a line each, cells with commas between, sizes in MiB. */
export const asTable = (query: string): string[] => [query, '--format=csv,noheader,nounits'];

/** The arguments that name the GPU of this process: the first of those that it may use. */
export function ownGpu(): string[] {
  const [first] = (process.env.CUDA_VISIBLE_DEVICES ?? '').split(',');
  return [`--id=${first || '0'}`];
}
