import { freemem, totalmem } from 'node:os';
import { othersOnGpu } from './card-users.ts';
import type { DeviceName } from './device.ts';
import { asTable, nvidiaSmiNow, ownGpu } from './nvidia-smi.ts';

/** What the driver's tool says of the first GPU that this process may use, in bytes; `undefined` where there is none. */
function ofGpu(what: 'memory.free' | 'memory.total'): number | undefined {
  const said = nvidiaSmiNow([...asTable(`--query-gpu=${what}`), ...ownGpu()]);
  return said === undefined ? undefined : parseFreeMemory(said);
}

/** Bytes of the first GPU in the driver's answer (MiB, one a line). */
export function parseFreeMemory(said: string): number | undefined {
  const mebibytes = Number.parseFloat(said);
  return Number.isFinite(mebibytes) ? mebibytes * 2 ** 20 : undefined;
}

/** Memory in bytes that a device has left for sessions now; `undefined` where nobody tells. */
export function memoryAtHand(device: DeviceName): number | undefined {
  if (device === 'cuda') return ofGpu('memory.free');
  if (device === 'webgpu') return undefined;
  // Newer releases know the limits of containers too.
  return typeof process.availableMemory === 'function' ? process.availableMemory() : freemem();
}

/** Memory in bytes that a device has when nothing else runs; `undefined` where nobody tells. */
export function memoryInAll(device: DeviceName): number | undefined {
  if (device === 'cuda') return ofGpu('memory.total');
  if (device === 'webgpu') return undefined;
  // 0 or a number beyond all memory where there is no limit.
  const limit = process.constrainedMemory?.() ?? 0;
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem();
}

/** Other programs that hold memory of a device, in words; `undefined` where there are none, or nobody tells. */
export const othersOn = (device: DeviceName): string | undefined =>
  device === 'cuda' ? othersOnGpu() : undefined;
