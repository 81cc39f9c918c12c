import { execFileSync } from 'node:child_process';
import { freemem } from 'node:os';
import type { DeviceName } from './device.ts';

/** Free memory of a GPU in bytes, as its driver's tool tells it; `undefined` where there is none. */
function freeOnGpu(): number | undefined {
  try {
    const said = execFileSync('nvidia-smi', ['--query-gpu=memory.free', '--format=csv,noheader,nounits'], {
      encoding: 'utf8',
      timeout: 10_000,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return parseFreeMemory(said);
  } catch {
    // No such tool, or no GPU: nobody knows.
    return undefined;
  }
}

/** Bytes of the first GPU in the driver's answer (MiB, one a line). */
export function parseFreeMemory(said: string): number | undefined {
  const mebibytes = Number.parseFloat(said);
  return Number.isFinite(mebibytes) ? mebibytes * 2 ** 20 : undefined;
}

/** Memory in bytes that a device has left for sessions now; `undefined` where nobody tells. */
export function memoryAtHand(device: DeviceName): number | undefined {
  if (device === 'cuda') return freeOnGpu();
  if (device === 'webgpu') return undefined;
  // Newer releases know the limits of containers too.
  return typeof process.availableMemory === 'function' ? process.availableMemory() : freemem();
}
