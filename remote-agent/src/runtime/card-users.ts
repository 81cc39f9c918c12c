import { basename } from 'node:path';
import { sizeText } from '../common/size-text.ts';
import { asTable, nvidiaSmiNow, ownGpu } from './nvidia-smi.ts';

/** A program that computes on a GPU. */
export interface CardUser {
  readonly pid: number;
  /** Empty where the driver does not tell. */
  readonly name: string;
  /** What it holds of the GPU's memory, in bytes; `undefined` where the driver does not tell. */
  readonly bytes: number | undefined;
}

/** Reads what `nvidia-smi` printed, a line a program: process, memory, path. */
export function readCardUsers(text: string): CardUser[] {
  return text.split('\n').flatMap((line) => {
    const [pid = '', held = '', ...path] = line.split(',').map((cell) => cell.trim());
    if (!/^[0-9]+$/.test(pid)) return [];
    const name = path.join(', ');
    return {
      pid: Number(pid),
      // "[Not Found]" and the like: a program of another container or user.
      name: name.startsWith('[') ? '' : basename(name.replaceAll('\\', '/')),
      bytes: /^[0-9]+$/.test(held) ? Number(held) * 2 ** 20 : undefined,
    };
  });
}

/** Most programs that are named. */
const mostNamed = 3;

/**
 * The other programs on a GPU in words, those that hold most first, e.g. `python3 (process 4711, 20.1 GB)`; `undefined`
 * where there are none, or nobody tells: in a container the driver may list no programs, or number them as outside.
 * @param gpu arguments that name it, default that of this process
 */
export function othersOnGpu(gpu: readonly string[] = ownGpu()): string | undefined {
  const said = nvidiaSmiNow([...asTable('--query-compute-apps=pid,used_memory,process_name'), ...gpu]);
  const others = readCardUsers(said ?? '')
    .filter(({ pid }) => pid !== process.pid)
    .sort((a, b) => (b.bytes ?? 0) - (a.bytes ?? 0));
  if (others.length === 0) return undefined;
  const named = others.slice(0, mostNamed).map(({ pid, name, bytes }) => {
    const held = bytes === undefined ? '' : `, ${sizeText(bytes)}`;
    return `${name || 'a program'} (process ${pid}${held})`;
  });
  const more = others.length - named.length;
  return `${named.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}
