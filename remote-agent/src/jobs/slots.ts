import { gpus } from './gpus.ts';

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
