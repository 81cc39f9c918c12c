import { driverVersion, type GpuFacts, readGpus } from '../../jobs/gpus.ts';
import { printable } from '../../protocol/printable.ts';
import { hasLogin } from '../profiles.ts';
import type { Transport } from '../transports/transport.ts';
import type { HostArch } from './lock.ts';
import type { Registries } from './request.ts';
import { probeScript } from './scripts.ts';
import { runScript } from './shell.ts';

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
  readonly gpus: readonly GpuFacts[];
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
  const { npm, pypi, proxy = '' } = registries ?? {};
  // What needs a login is not tried: it would show in the host's list of processes.
  const mayTry = npm && pypi && !hasLogin(proxy);
  const urls = mayTry ? [withoutLogin(npm), withoutLogin(pypi), proxy] : ['', '', ''];
  await runScript(transport, probeScript, [root, ...urls], (line) => {
    const [name, ...value] = line.split('\t');
    if (value.length > 0) facts.set(name!, [...(facts.get(name!) ?? []), printable(value.join(' ').trim())]);
  });
  return readFacts(facts);
}

const kibibytes = (text: string | undefined): number | undefined =>
  text && /^[0-9]+$/.test(text) ? Number(text) * 1024 : undefined;
const yesNo = (text: string | undefined): boolean | undefined => (text ? text === 'yes' : undefined);

/** What the lines of the probe say. */
export function readFacts(facts: ReadonlyMap<string, readonly string[]>): HostProbe {
  const all = (name: string) => facts.get(name) ?? [];
  const one = (name: string): string | undefined => all(name)[0] || undefined;
  const machine = one('machine') ?? '';
  const nodes = (name: string) =>
    all(name).flatMap((text) => {
      const found = /^(\/.*) v([0-9]+\.[0-9]+\.[0-9]+)/.exec(text);
      return found ? [{ path: found[1]!, version: found[2]! }] : [];
    });
  const [memoryBytes, memoryFreeBytes] = [kibibytes(one('memory')), kibibytes(one('memory-free'))];
  const told = readGpus(all('gpu').join('\n'), {
    memoryBytes: memoryBytes ?? 0,
    freeBytes: memoryFreeBytes ?? 0,
  });
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
    memoryBytes,
    memoryFreeBytes,
    npm: yesNo(one('npm')),
    pypi: yesNo(one('pypi')),
    killsUserProcesses: kills ? kills === 'b true' : undefined,
    lingers: one('linger') === 'yes',
  };
}

/** GPUs where there is no `nvidia-smi`, as in some containers: what the kernel's part of the driver says. */
const gpusOfKernel = (version: string, models: readonly string[]): GpuFacts[] =>
  models.map((line) => ({
    name: line.replace(/^Model:\s*/, ''),
    driver: driverVersion(version),
    memoryBytes: 0,
    freeBytes: 0,
  }));
