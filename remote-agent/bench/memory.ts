import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/**
 * Peak (VmHWM) or present (VmRSS) memory of this process in bytes, or of the present what is its own alone (RssAnon) or
 * pages of mapped files (RssFile); 0 where the system does not tell.
 */
export function resident(field: 'VmHWM' | 'VmRSS' | 'RssAnon' | 'RssFile'): number {
  try {
    const line = readFileSync('/proc/self/status', 'utf8')
      .split('\n')
      .find((l) => l.startsWith(`${field}:`));
    return Number(/(\d+)/.exec(line ?? '')?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}

/** Memory of the GPU that this process holds, in bytes; 0 where the driver's tool does not tell. */
export function onGpu(): number {
  try {
    const fields = ['--query-compute-apps=pid,used_memory', '--format=csv,noheader,nounits'];
    const lines = execFileSync('nvidia-smi', fields, { encoding: 'utf8' }).trim().split('\n');
    const own = lines.map((line) => line.split(', ')).find(([pid]) => Number(pid) === process.pid);
    return Number(own?.[1] ?? 0) * 2 ** 20;
  } catch {
    return 0;
  }
}
