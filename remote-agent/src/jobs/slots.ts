import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

/** A GPU as its driver tells of it; memory in bytes. */
export interface GpuFacts {
  readonly name: string;
  readonly memoryBytes: number;
  readonly freeBytes: number;
  readonly driver: string;
}

/** The NVIDIA GPUs of this machine; none where there is no driver. */
export function gpus(): GpuFacts[] {
  if (!existsSync('/proc/driver/nvidia/version')) return [];
  const fields = 'name,memory.total,memory.free,driver_version';
  const { stdout } = spawnSync('nvidia-smi', [`--query-gpu=${fields}`, '--format=csv,noheader,nounits'], {
    encoding: 'utf8',
    timeout: 10_000,
  });
  return (stdout ?? '')
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

/** Slots that may run jobs of a device: one a GPU, one for everything else. */
export function slotsFor(device: string): string[] {
  if (device !== 'cuda') return ['cpu'];
  const count = gpus().length;
  // Without a GPU the job runs all the same and fails with the runtime's own words.
  return count === 0 ? ['gpu0'] : Array.from({ length: count }, (_, i) => `gpu${i}`);
}

/** What a trainer in a slot needs in its environment. */
export const slotEnvironment = (slot: string): Record<string, string> =>
  slot.startsWith('gpu') ? { CUDA_VISIBLE_DEVICES: slot.slice(3) } : {};

export const fitsSlot = (device: string, slot: string): boolean =>
  device === 'cuda' ? slot.startsWith('gpu') : slot === 'cpu';
