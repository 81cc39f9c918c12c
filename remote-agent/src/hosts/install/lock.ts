import { ParaError } from '../../common/errors.ts';
import type { RegistryFile } from './request.ts';

/** Which build of the runtime a host gets: plain, or with the CUDA provider and libraries of that major version. */
export type RuntimeRow = 'cpu' | 'cuda13' | 'cuda12';
export type HostArch = 'x64' | 'arm64';

/** Every file that hosts need from registries, as `host-lock.json` holds it. */
export interface HostLock {
  /** Version of the Node that hosts without one get. */
  readonly node: string;
  readonly hosts: Readonly<Record<HostArch, LockedHost>>;
  readonly files: Readonly<Record<string, Omit<RegistryFile, 'file'>>>;
}

interface LockedHost {
  /** The package with the official Node binary. */
  readonly node: string;
  /** Packages that every runtime comes with. */
  readonly packages: readonly string[];
  readonly runtimes: Readonly<
    Partial<Record<RuntimeRow, { readonly version: string; readonly files: readonly string[] }>>
  >;
}

const fileOf = (lock: HostLock, file: string): RegistryFile => ({ file, ...lock.files[file]! });

export const nodeFile = (lock: HostLock, arch: HostArch): RegistryFile => fileOf(lock, lock.hosts[arch].node);

/**
 * The runtime of a row: version of onnxruntime-node, and all packages and wheels.
 * @throws ParaError `host` where there is no such build for the processor
 */
export function lockedRuntime(
  lock: HostLock,
  arch: HostArch,
  row: RuntimeRow,
): { readonly version: string; readonly files: readonly RegistryFile[] } {
  const { packages, runtimes } = lock.hosts[arch];
  const runtime = runtimes[row];
  if (!runtime)
    throw new ParaError('host', `There is no runtime for ${rowName(row)} on ${arch}`, {
      hint: 'update the driver to 580 or newer, or install for the processor: --runtime cpu',
    });
  return {
    version: runtime.version,
    files: [...runtime.files, ...packages].map((file) => fileOf(lock, file)),
  };
}

export const rowName = (row: RuntimeRow): string =>
  row === 'cpu' ? 'the processor' : `CUDA ${row.slice(4)}`;

/** Oldest driver each row runs with, by its major version. */
const oldestDriver = { cuda13: 580, cuda12: 525 } as const;

/** The row for a driver as `nvidia-smi` prints its version; `undefined` where it is too old for any. */
export function rowForDriver(lock: HostLock, arch: HostArch, driver: string): RuntimeRow | undefined {
  const major = Number.parseInt(driver, 10);
  return (['cuda13', 'cuda12'] as const).find(
    (row) => major >= oldestDriver[row] && lock.hosts[arch].runtimes[row],
  );
}
