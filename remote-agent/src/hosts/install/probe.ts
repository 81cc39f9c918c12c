import { driverVersion } from '../../jobs/gpus.ts';
import type { Transport } from '../transports/transport.ts';
import type { HostArch } from './lock.ts';
import type { Registries } from './request.ts';
import { probeScript } from './scripts.ts';
import { runScript } from './shell.ts';

/** A GPU as `nvidia-smi` tells of it; memory in bytes, `undefined` where it tells none. */
export interface ProbedGpu {
  readonly name: string;
  readonly driver: string;
  readonly memoryBytes: number | undefined;
  readonly freeBytes: number | undefined;
}

/** What a host is, asked with nothing installed there. Sizes in bytes. */
export interface HostProbe {
  /** Absolute path of the installation's folder, there already or not. */
  readonly root: string;
  readonly user: string;
  readonly system: string;
  readonly machine: string;
  /** `undefined` for processors there is no build for. */
  readonly arch: HostArch | undefined;
  /** `glibc 2.36`, `musl`, or empty where it was not found. */
  readonly libc: string;
  readonly libstdcxx: 'good' | 'old' | 'missing';
  /** Programs found: curl, wget, tar, gzip, sha512sum, nvidia-smi, systemd-run. */
  readonly tools: ReadonlySet<string>;
  readonly systemNode: { readonly path: string; readonly version: string } | undefined;
  readonly ownNodes: readonly { readonly path: string; readonly version: string }[];
  /** Folder name of the installed version. */
  readonly agent: string | undefined;
  /** Jobs in the folder, running or not. */
  readonly jobs: number;
  /** Whether the kernel's part of an NVIDIA driver is there, be it in reach of this login or not. */
  readonly driverLoaded: boolean;
  readonly gpus: readonly ProbedGpu[];
  /** What `nvidia-smi` said instead of naming GPUs. */
  readonly gpuTrouble: string | undefined;
  readonly diskFreeBytes: number | undefined;
  readonly writable: boolean;
  readonly memoryBytes: number | undefined;
  readonly memoryFreeBytes: number | undefined;
  /** `undefined`: nothing there could try. */
  readonly npm: boolean | undefined;
  readonly pypi: boolean | undefined;
  /** KillUserProcesses of logind; `undefined` where there is none to ask. */
  readonly killsUserProcesses: boolean | undefined;
  readonly lingers: boolean;
}

/** A registry as a host may be asked about it: a login in its address stays here. */
const withoutLogin = (url: string): string => {
  const address = new URL(url);
  address.username = '';
  address.password = '';
  return address.href.replace(/\/$/, '');
};

/** Asks a host what it is. @throws ParaError as the transport explains it */
export async function probeHost(
  transport: Transport,
  root: string,
  registries?: Registries,
): Promise<HostProbe> {
  const facts = new Map<string, string[]>();
  const urls = registries ? [withoutLogin(registries.npm), withoutLogin(registries.pypi)] : ['', ''];
  await runScript(transport, probeScript, [root, ...urls], (line) => {
    const [name, ...value] = line.split('\t');
    if (value.length > 0) facts.set(name!, [...(facts.get(name!) ?? []), value.join(' ').trim()]);
  });
  return readFacts(facts);
}

const kibibytes = (text: string | undefined): number | undefined =>
  text && /^[0-9]+$/.test(text) ? Number(text) * 1024 : undefined;
const yesNo = (text: string | undefined): boolean | undefined => (text ? text === 'yes' : undefined);

function readFacts(facts: ReadonlyMap<string, readonly string[]>): HostProbe {
  const all = (name: string) => facts.get(name) ?? [];
  const one = (name: string): string | undefined => all(name)[0] || undefined;
  const machine = one('machine') ?? '';
  const nodes = (name: string) =>
    all(name).flatMap((text) => {
      const found = /^(\/.*) v([0-9]+\.[0-9]+\.[0-9]+)/.exec(text);
      return found ? [{ path: found[1]!, version: found[2]! }] : [];
    });
  const told = all('gpu').flatMap((line) => readGpu(line) ?? []);
  const gpus = told.length > 0 ? told : gpusOfKernel(one('driver-file') ?? '', all('model'));
  const kills = one('kills');
  return {
    root: one('root') ?? '',
    user: one('user') ?? '',
    system: one('system') ?? '',
    machine,
    arch: /^(x86_64|amd64)$/.test(machine) ? 'x64' : /^(aarch64|arm64)$/.test(machine) ? 'arm64' : undefined,
    libc: one('libc') ?? '',
    libstdcxx: one('libstdcxx') === 'good' ? 'good' : one('libstdcxx') === 'old' ? 'old' : 'missing',
    tools: new Set(all('tool')),
    systemNode: nodes('node')[0],
    ownNodes: nodes('own-node'),
    agent: one('agent'),
    jobs: Number(one('jobs') ?? 0),
    driverLoaded: one('driver-file') !== undefined,
    gpus,
    gpuTrouble: gpus.length === 0 ? one('gpu') : undefined,
    // The free space is the fourth column, counted from the end: the first may hold blanks.
    diskFreeBytes: kibibytes(/([0-9]+)\s+[0-9]+%\s+\S+$/.exec(one('disk') ?? '')?.[1]),
    writable: one('writable') === 'yes',
    memoryBytes: kibibytes(one('memory')),
    memoryFreeBytes: kibibytes(one('memory-free')),
    npm: yesNo(one('npm')),
    pypi: yesNo(one('pypi')),
    killsUserProcesses: kills ? kills === 'b true' : undefined,
    lingers: one('linger') === 'yes',
  };
}

/** One line of `nvidia-smi`: driver, memory, free memory, name. Memory is "[N/A]" where CPU and GPU share it. */
function readGpu(line: string): ProbedGpu | undefined {
  const [driver = '', total = '', free = '', ...name] = line.split(',').map((cell) => cell.trim());
  if (!/^[0-9]+\./.test(driver) || name.length === 0) return undefined;
  const mebibytes = (text: string) => (/^[0-9]+$/.test(text) ? Number(text) * 2 ** 20 : undefined);
  return { name: name.join(', '), driver, memoryBytes: mebibytes(total), freeBytes: mebibytes(free) };
}

/** GPUs where there is no `nvidia-smi`, as in some containers: what the kernel's part of the driver says. */
const gpusOfKernel = (version: string, models: readonly string[]): ProbedGpu[] =>
  models.map((line) => ({
    name: line.replace(/^Model:\s*/, ''),
    driver: driverVersion(version),
    memoryBytes: undefined,
    freeBytes: undefined,
  }));
