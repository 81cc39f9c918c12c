import { ParaError } from '../../common/errors.ts';
import data from './host-lock.json' with { type: 'json' };
import type { RegistryFile } from './request.ts';

/** Which build of the runtime a host gets: plain, or with the CUDA provider and libraries of that major version. */
export type RuntimeRow = 'cpu' | 'cuda13' | 'cuda12';
export type HostArch = 'x64' | 'arm64';

/** The files of one runtime. */
export interface LockedRuntime {
  readonly row: RuntimeRow;
  /** Version of onnxruntime-node. */
  readonly version: string;
  /** Packages and wheels, the image library's included. */
  readonly files: readonly RegistryFile[];
}

/** Version of the Node that hosts without one get. */
export const lockedNode: string = data.node;

interface LockData {
  readonly hosts: Readonly<
    Record<
      string,
      {
        readonly node: string;
        readonly packages: readonly string[];
        readonly runtimes: Readonly<
          Record<string, { version: string; files: readonly string[] } | undefined>
        >;
      }
    >
  >;
  readonly files: Readonly<Record<string, Omit<RegistryFile, 'file'>>>;
}
const lock = data as LockData;
const fileOf = (file: string): RegistryFile => ({ file, ...lock.files[file]! });

/** The package with the official Node binary. */
export const nodeFile = (arch: HostArch): RegistryFile => fileOf(lock.hosts[arch]!.node);

/** @throws ParaError `host` where there is no such build for the processor */
export function lockedRuntime(arch: HostArch, row: RuntimeRow): LockedRuntime {
  const { packages, runtimes } = lock.hosts[arch]!;
  const runtime = runtimes[row];
  if (!runtime)
    throw new ParaError('host', `There is no runtime for ${rowName(row)} on ${arch}`, {
      hint: 'update the driver to 580 or newer, or install for the processor: --runtime cpu',
    });
  return { row, version: runtime.version, files: [...runtime.files, ...packages].map(fileOf) };
}

export const hasRuntime = (arch: HostArch, row: RuntimeRow): boolean =>
  lock.hosts[arch]!.runtimes[row] !== undefined;

export const rowName = (row: RuntimeRow): string =>
  row === 'cpu' ? 'the processor' : `CUDA ${row.slice(4)}`;

/** Oldest driver each row runs with, by its major version. */
const oldestDriver = { cuda13: 580, cuda12: 525 } as const;

/** The row for a driver as `nvidia-smi` prints its version; `undefined` where it is too old for any. */
export function rowForDriver(driver: string, arch: HostArch): RuntimeRow | undefined {
  const major = Number.parseInt(driver, 10);
  return (['cuda13', 'cuda12'] as const).find((row) => major >= oldestDriver[row] && hasRuntime(arch, row));
}
