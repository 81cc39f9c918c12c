import { readdirSync, readFileSync } from 'node:fs';

/** Process of the extension host of the editor with this home. @throws Error where there is none */
export function extensionHost(home: string): number {
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const command = readFileSync(`/proc/${name}/cmdline`, 'utf8');
      if (!command.includes('--type=extensionHost')) continue;
      if (readFileSync(`/proc/${name}/environ`, 'utf8').split('\0').includes(`HOME=${home}`))
        return Number(name);
    } catch {
      // It has ended meanwhile, or is somebody else's.
    }
  }
  throw new Error('No extension host is running');
}

/** Memory that a process holds, in bytes. */
export function residentBytes(process: number): number {
  return 1024 * Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${process}/status`, 'utf8'))![1]);
}
