import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { freemem, totalmem } from 'node:os';
import { join } from 'node:path';
import { asTable, nvidiaSmi } from '../runtime/nvidia-smi.ts';

/** A GPU as its driver tells of it; memory in bytes, 0 where the driver tells none. */
export interface GpuFacts {
  readonly name: string;
  readonly memoryBytes: number;
  readonly freeBytes: number;
  readonly driver: string;
}

/** The NVIDIA GPUs of this machine in the order of their bus; none where there is no driver. */
export async function gpus(): Promise<GpuFacts[]> {
  const said = await nvidiaSmi(asTable('--query-gpu=driver_version,memory.total,memory.free,name'));
  return said === undefined
    ? gpusOfKernel()
    : readGpus(said, { memoryBytes: totalmem(), freeBytes: freemem() });
}

/**
 * Reads what `nvidia-smi` printed, a line a GPU: driver, memory, free memory, name.
 * @param shared memory of the machine, for GPUs that share it and say "[N/A]"
 */
export function readGpus(text: string, shared: { memoryBytes: number; freeBytes: number }): GpuFacts[] {
  return text.split('\n').flatMap((line) => {
    const [driver = '', total = '', free = '', ...name] = line.split(',').map((cell) => cell.trim());
    if (!/^[0-9]+\./.test(driver) || name.length === 0) return [];
    const bytes = (cell: string, otherwise: number) =>
      /^[0-9]+$/.test(cell) ? Number(cell) * 2 ** 20 : otherwise;
    return {
      name: name.join(', '),
      driver,
      memoryBytes: bytes(total, shared.memoryBytes),
      freeBytes: bytes(free, shared.freeBytes),
    };
  });
}

/** GPUs as the kernel's part of the driver lists them: containers may have a GPU and no `nvidia-smi`. */
export function gpusOfKernel(folder = '/proc/driver/nvidia', device = '/dev/nvidia0'): GpuFacts[] {
  if (!existsSync(join(folder, 'version')) || !existsSync(device)) return [];
  const driver = driverVersion(readFileSync(join(folder, 'version'), 'utf8'));
  return readdirSync(join(folder, 'gpus')).map((bus) => {
    const information = readFileSync(join(folder, 'gpus', bus, 'information'), 'utf8');
    const name = /^Model:\s*(.+)$/m.exec(information)?.[1] ?? 'NVIDIA GPU';
    return { name, driver, memoryBytes: 0, freeBytes: 0 };
  });
}

/** The version in the text of `/proc/driver/nvidia/version`. */
export const driverVersion = (text: string): string =>
  /Kernel Module\s.*?([0-9]+\.[0-9.]+)/.exec(text)?.[1] ?? '';
