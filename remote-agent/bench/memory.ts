import { readFileSync } from 'node:fs';

/** Peak (VmHWM) or present (VmRSS) memory of this process in bytes; 0 where the system does not tell. */
export function resident(field: 'VmHWM' | 'VmRSS'): number {
  try {
    const line = readFileSync('/proc/self/status', 'utf8')
      .split('\n')
      .find((l) => l.startsWith(field));
    return Number(/(\d+)/.exec(line ?? '')?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}
