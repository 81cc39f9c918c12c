import type { ParaError } from '../../common/errors.ts';
import type { HostProfile } from '../profiles.ts';
import { type HostLock, lockedRuntime, type RuntimeRow, rowForDriver, rowName } from './lock.ts';
import { versionName } from './names.ts';
import type { HostPackage } from './package.ts';
import { chooseNode, chooseRow, oldLibc, planSetup } from './plan.ts';
import type { HostProbe } from './probe.ts';
import type { Registries } from './request.ts';

/** One line of what `check` prints. */
export interface CheckRow {
  readonly name: string;
  /** `bad` prevents work, `note` limits it. */
  readonly state: 'ok' | 'note' | 'bad';
  readonly value: string;
  readonly remedy?: string;
}

const row = (name: string, state: CheckRow['state'], value: string, remedy?: string): CheckRow => ({
  name,
  state,
  value,
  ...(remedy ? { remedy } : {}),
});
const gigabytes = (bytes: number | undefined): string =>
  !bytes ? 'unknown' : `${(bytes / 1e9).toFixed(1)} GB`;

/** Room below which a host is about to be full of what a few runs keep, in bytes. */
const roomForRuns = 2e9;

/** Room an installation takes, in bytes: what is fetched, and twice that when it is unpacked. */
function roomNeeded(probe: HostProbe, lock: HostLock, said: RuntimeRow | undefined): number {
  if (!probe.arch) return 0;
  const { files } = lockedRuntime(lock, probe.arch, said ?? chooseRow(probe, probe.arch, lock));
  return files.reduce((sum, file) => sum + file.size, 0) * 3 + 300e6;
}

/** What a probe says, with a remedy for everything that is not well. */
export function checkRows(
  probe: HostProbe,
  own: HostPackage,
  host: HostProfile,
  registries: Registries,
): CheckRow[] {
  const runtime = host.install?.runtime;
  return [
    row('reachable', 'ok', host.transport === 'local' ? 'this machine' : 'yes'),
    row('host key', 'ok', host.transport === 'local' ? 'none needed' : 'known'),
    row('login', 'ok', `as ${probe.user}`),
    systemRow(probe),
    libraryRow(probe),
    toolsRow(probe),
    nodeRow(probe, own.lock),
    gpuRow(probe),
    cudaRow(probe, own.lock, runtime),
    diskRow(probe, own.lock, runtime),
    row('memory', 'ok', `${gigabytes(probe.memoryFreeBytes)} free of ${gigabytes(probe.memoryBytes)}`),
    registryRow(probe),
    agentRow(probe, own, host, registries),
    processesRow(probe),
  ];
}

/** The same table for a host that was not reached, or let nobody in. */
export function failureRows({ code, message, where, hint }: ParaError): CheckRow[] {
  const value = [message, where].filter(Boolean).join('; ');
  if (code !== 'login' && code !== 'host-key') return [row('reachable', 'bad', value, hint)];
  const reachable = row('reachable', 'ok', 'yes');
  if (code === 'host-key' || /key of this host/.test(message))
    return [reachable, row('host key', 'bad', value, hint)];
  return [reachable, row('login', 'bad', value, hint)];
}

function systemRow({ system, machine, arch }: HostProbe): CheckRow {
  const value = `${system} ${machine}`;
  return system === 'Linux' && arch
    ? row('system', 'ok', value)
    : row('system', 'bad', value, 'the agent runs on Linux with an x86_64 or arm64 processor');
}

function libraryRow({ libc, libstdcxx }: HostProbe): CheckRow {
  const value = `${libc || 'libc unknown'}, libstdc++ ${libstdcxx === 'good' ? 'new enough' : libstdcxx}`;
  if (libc === 'musl')
    return row(
      'libraries',
      'bad',
      value,
      'the runtime is built for glibc: use a Debian, Ubuntu, RHEL or SUSE host',
    );
  if (oldLibc(libc) || libstdcxx === 'old')
    return row(
      'libraries',
      'bad',
      value,
      'glibc 2.28 and libstdc++ of GCC 8 are needed: RHEL 8, Debian 10, Ubuntu 20.04 or later',
    );
  return libstdcxx === 'good'
    ? row('libraries', 'ok', value)
    : row(
        'libraries',
        'note',
        value,
        'if the installation fails: have libstdc++6 (libstdc++ on RHEL) installed',
      );
}

function toolsRow({ tools }: HostProbe): CheckRow {
  const lacking = ['tar', 'gzip', 'sha512sum'].filter((tool) => !tools.has(tool));
  const found = ['curl', 'wget'].filter((tool) => tools.has(tool));
  const value = `${found.join(', ') || 'neither curl nor wget'}${lacking.length > 0 ? `; no ${lacking.join(', ')}` : ''}`;
  return lacking.length === 0
    ? row('tools', 'ok', value)
    : row('tools', 'bad', value, `have ${lacking.join(', ')} installed, or a Node 20.9 or newer`);
}

function nodeRow(probe: HostProbe, lock: HostLock): CheckRow {
  if (!probe.arch) return row('Node', 'note', 'unknown');
  const { path, bring } = chooseNode(probe, probe.arch, lock);
  if (!bring)
    return row(
      'Node',
      'ok',
      path.startsWith('/') ? `${probe.systemNode!.version}, ${path}` : `${lock.node}, its own`,
    );
  const other = probe.systemNode ? `; the system's ${probe.systemNode.version} is too old` : '';
  return row('Node', 'ok', `none yet: installing brings ${lock.node}${other}`);
}

function gpuRow({ gpus, gpuTrouble, driverLoaded }: HostProbe): CheckRow {
  if (gpus.length > 0) {
    const names = gpus.map(({ name, memoryBytes }) => `${name} ${gigabytes(memoryBytes)}`);
    return row('GPU', 'ok', `${names.join('; ')}; driver ${gpus[0]!.driver}`);
  }
  if (gpuTrouble)
    return row(
      'GPU',
      'bad',
      gpuTrouble,
      'the driver is damaged or half updated: reboot the host, or install it again',
    );
  return driverLoaded
    ? row(
        'GPU',
        'note',
        'a driver without nvidia-smi',
        'in a container: start it with GPU access (--gpus all)',
      )
    : row(
        'GPU',
        'note',
        'none found: jobs run on the processor',
        'with an NVIDIA card: install its driver, 525 or newer',
      );
}

function cudaRow(probe: HostProbe, lock: HostLock, said: RuntimeRow | undefined): CheckRow {
  const driver = probe.gpus[0]?.driver;
  if (said) return row('CUDA', 'ok', `${rowName(said)}, as it was said with --runtime`);
  if (!probe.arch || !driver) return row('CUDA', 'ok', 'not used');
  const found = rowForDriver(lock, probe.arch, driver);
  if (!found) {
    const wanted = lock.hosts[probe.arch].runtimes.cuda12 ? '525 (better 580)' : '580';
    return row(
      'CUDA',
      'bad',
      `the driver ${driver} is too old`,
      `have the driver updated to ${wanted} or newer`,
    );
  }
  const { version, files } = lockedRuntime(lock, probe.arch, found);
  const size = gigabytes(files.reduce((sum, file) => sum + file.size, 0));
  return row('CUDA', 'ok', `${rowName(found)}, ONNX Runtime ${version}, ${size} to fetch`);
}

function diskRow(probe: HostProbe, lock: HostLock, said: RuntimeRow | undefined): CheckRow {
  const value = `${gigabytes(probe.diskFreeBytes)} free for ${probe.root}`;
  if (!probe.writable)
    return row('disk', 'bad', `${probe.root} cannot be written`, 'choose another folder with --root');
  const free = probe.diskFreeBytes ?? Number.POSITIVE_INFINITY;
  const needed = roomNeeded(probe, lock, said);
  if (!probe.agent && free < needed)
    return row(
      'disk',
      'bad',
      value,
      `an installation takes up to ${gigabytes(needed)}: free some, or use --root`,
    );
  if (free < roomForRuns)
    return row('disk', 'note', value, 'runs keep their states, samples and adapters there: free some');
  return row('disk', 'ok', value);
}

function registryRow({ npm, pypi }: HostProbe): CheckRow {
  const say = (reached: boolean | undefined) =>
    reached === undefined ? 'not tried' : reached ? 'reached' : 'not reached';
  const value = `npm ${say(npm)}, PyPI ${say(pypi)}`;
  return npm && pypi
    ? row('registries', 'ok', value)
    : row(
        'registries',
        'note',
        value,
        'files then go through this machine; or name a mirror or proxy: --npm-registry, --pypi, --proxy',
      );
}

function agentRow(
  probe: HostProbe,
  own: HostPackage,
  { name, install }: HostProfile,
  registries: Registries,
): CheckRow {
  const command = `para host install ${name}`;
  if (!probe.agent) return row('agent', 'note', 'not installed', command);
  if (!probe.arch) return row('agent', 'note', probe.agent);
  const wanted = versionName(
    planSetup(probe, probe.arch, own, {
      registries,
      fetch: true,
      ...(install?.runtime ? { row: install.runtime } : {}),
    }),
  );
  return probe.agent === wanted
    ? row('agent', 'ok', probe.agent)
    : row('agent', 'note', `${probe.agent}; this program brings ${wanted}`, command);
}

function processesRow({ killsUserProcesses, lingers, tools }: HostProbe): CheckRow {
  if (killsUserProcesses === undefined) return row('processes', 'ok', 'no logind that ends them at logout');
  if (!killsUserProcesses) return row('processes', 'ok', 'stay after logout');
  if (lingers && tools.has('systemd-run'))
    return row('processes', 'ok', 'end at logout, but this user lingers');
  return row(
    'processes',
    'bad',
    'logind ends them at logout (KillUserProcesses=yes)',
    'run there once: loginctl enable-linger',
  );
}
