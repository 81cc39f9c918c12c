import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';

/** A GPU as its driver tells of it; memory in bytes. */
export interface GpuFacts {
  readonly name: string;
  readonly memoryBytes: number;
  readonly freeBytes: number;
  readonly driver: string;
}

/** The NVIDIA GPUs of this machine in the order of their bus; none where there is no driver. */
export async function gpus(): Promise<GpuFacts[]> {
  if (!existsSync('/proc/driver/nvidia/version')) return [];
  const fields = 'name,memory.total,memory.free,driver_version';
  const query = [`--query-gpu=${fields}`, '--format=csv,noheader,nounits'];
  let stdout: string;
  try {
    ({ stdout } = await promisify(execFile)('nvidia-smi', query, { timeout: 10_000 }));
  } catch {
    // A driver that does not answer has no GPU to offer.
    return [];
  }
  return stdout
    .split('\n')
    .map((line) => line.split(',').map((cell) => cell.trim()))
    .filter((cells) => cells.length === 4)
    .map(([name, total, free, driver]) => ({
      name: name!,
      memoryBytes: Number(total) * 2 ** 20,
      freeBytes: Number(free) * 2 ** 20,
      driver: driver!,
    }));
}

/** Whether a string names a slot. */
export const isSlot = (text: string): boolean => /^(cpu|gpu\d{1,3})$/.test(text);

/**
 * Slots that may run jobs of a device: one a GPU, one for the processor. WebGPU cannot choose among GPUs and takes
 * the first; a machine without GPUs has that slot all the same, where the job fails with the runtime's own words.
 */
export async function slotsFor(device: string): Promise<string[]> {
  if (device === 'cpu') return ['cpu'];
  const count = device === 'cuda' ? (await gpus()).length : 1;
  return Array.from({ length: Math.max(1, count) }, (_, i) => `gpu${i}`);
}

/** What a trainer in a slot needs in its environment; the order is that of the driver's own tools. */
export const slotEnvironment = (slot: string): Record<string, string> =>
  slot.startsWith('gpu') ? { CUDA_VISIBLE_DEVICES: slot.slice(3), CUDA_DEVICE_ORDER: 'PCI_BUS_ID' } : {};

export const fitsSlot = (device: string, slot: string): boolean =>
  device === 'cuda' ? slot.startsWith('gpu') : slot === (device === 'cpu' ? 'cpu' : 'gpu0');
