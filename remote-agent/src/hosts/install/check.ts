import type { ParaError } from '../../common/errors.ts';
import { inEnglish, type Translate } from '../../common/translate.ts';
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

/** How rows are put: for a terminal, or in an editor. */
export interface Wording {
  readonly t: Translate;
  /** What installs the agent on a host. */
  install(host: string): string;
  /** What names another folder on the host. */
  readonly root: string;
  /** What names mirrors and a proxy. */
  readonly mirrors: string;
}

export const onTerminal: Wording = {
  t: inEnglish,
  install: (host) => `para host install ${host}`,
  root: '--root',
  mirrors: '--npm-registry, --pypi, --proxy',
};

const row = (name: string, state: CheckRow['state'], value: string, remedy?: string): CheckRow => ({
  name,
  state,
  value,
  ...(remedy ? { remedy } : {}),
});
const gigabytes = (bytes: number | undefined, t: Translate): string =>
  !bytes ? t('unknown') : `${(bytes / 1e9).toFixed(1)} GB`;

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
  wording = onTerminal,
): CheckRow[] {
  const { t } = wording;
  const runtime = host.install?.runtime;
  const isLocal = host.transport === 'local';
  return [
    row(t('reachable'), 'ok', isLocal ? t('this machine') : t('yes')),
    row(t('host key'), 'ok', isLocal ? t('none needed') : t('known')),
    row(t('login'), 'ok', t('as {0}', probe.user)),
    systemRow(probe, wording),
    libraryRow(probe, wording),
    toolsRow(probe, wording),
    nodeRow(probe, own.lock, wording),
    gpuRow(probe, wording),
    cudaRow(probe, own.lock, runtime, wording),
    diskRow(probe, own.lock, runtime, wording),
    memoryRow(probe, wording),
    registryRow(probe, wording),
    agentRow(probe, own, host, registries, wording),
    processesRow(probe, wording),
  ];
}

/** The same table for a host that was not reached, or let nobody in. */
export function failureRows(
  { code, message, where, hint }: ParaError,
  { t }: Wording = onTerminal,
): CheckRow[] {
  const value = [message, where].filter(Boolean).join('; ');
  if (code !== 'login' && code !== 'host-key') return [row(t('reachable'), 'bad', value, hint)];
  const reachable = row(t('reachable'), 'ok', t('yes'));
  if (code === 'host-key' || /key of this host/.test(message))
    return [reachable, row(t('host key'), 'bad', value, hint)];
  return [reachable, row(t('login'), 'bad', value, hint)];
}

function systemRow({ system, machine, arch }: HostProbe, { t }: Wording): CheckRow {
  const value = `${system} ${machine}`;
  return system === 'Linux' && arch
    ? row(t('system'), 'ok', value)
    : row(t('system'), 'bad', value, t('the agent runs on Linux with an x86_64 or arm64 processor'));
}

function libraryRow({ libc, libstdcxx }: HostProbe, { t }: Wording): CheckRow {
  const name = t('libraries');
  const compiler = libstdcxx === 'good' ? t('new enough') : libstdcxx;
  const value = `${libc || t('libc unknown')}, libstdc++ ${compiler}`;
  if (libc === 'musl')
    return row(
      name,
      'bad',
      value,
      t('the runtime is built for glibc: use a Debian, Ubuntu, RHEL or SUSE host'),
    );
  if (oldLibc(libc) || libstdcxx === 'old')
    return row(
      name,
      'bad',
      value,
      t('glibc 2.28 and libstdc++ of GCC 8 are needed: RHEL 8, Debian 10, Ubuntu 20.04 or later'),
    );
  if (libstdcxx === 'good') return row(name, 'ok', value);
  return row(
    name,
    'note',
    value,
    t('if the installation fails: have libstdc++6 (libstdc++ on RHEL) installed'),
  );
}

function toolsRow({ tools }: HostProbe, { t }: Wording): CheckRow {
  const lacking = ['tar', 'gzip', 'sha512sum'].filter((tool) => !tools.has(tool)).join(', ');
  const found = ['curl', 'wget'].filter((tool) => tools.has(tool)).join(', ') || t('neither curl nor wget');
  return lacking === ''
    ? row(t('tools'), 'ok', found)
    : row(
        t('tools'),
        'bad',
        t('{0}; no {1}', found, lacking),
        t('have {0} installed, or a Node 20.9 or newer', lacking),
      );
}

function nodeRow(probe: HostProbe, lock: HostLock, { t }: Wording): CheckRow {
  const { arch, systemNode } = probe;
  if (!arch) return row('Node', 'note', t('unknown'));
  const { path, bring } = chooseNode(probe, arch, lock);
  const value = bring
    ? systemNode
      ? t("none yet: installing brings {0}; the system's {1} is too old", ...[lock.node, systemNode.version])
      : t('none yet: installing brings {0}', lock.node)
    : path.startsWith('/')
      ? `${systemNode!.version}, ${path}`
      : t('{0}, its own', lock.node);
  return row('Node', 'ok', value);
}

function gpuRow({ gpus, gpuTrouble, driverLoaded }: HostProbe, { t }: Wording): CheckRow {
  const name = t('GPU');
  if (gpus.length > 0) {
    const all = gpus.map((gpu) => `${gpu.name} ${gigabytes(gpu.memoryBytes, t)}`).join('; ');
    return row(name, 'ok', t('{0}; driver {1}', all, gpus[0]!.driver));
  }
  if (gpuTrouble)
    return row(
      name,
      'bad',
      gpuTrouble,
      t('the driver is damaged or half updated: reboot the host, or install it again'),
    );
  return driverLoaded
    ? row(
        name,
        'note',
        t('a driver without nvidia-smi'),
        t('in a container: start it with GPU access (--gpus all)'),
      )
    : row(
        name,
        'note',
        t('none found: jobs run on the processor'),
        t('with an NVIDIA card: install its driver, 525 or newer'),
      );
}

function cudaRow(probe: HostProbe, lock: HostLock, said: RuntimeRow | undefined, { t }: Wording): CheckRow {
  const driver = probe.gpus[0]?.driver;
  if (said) return row('CUDA', 'ok', t('{0}, as it was said with --runtime', rowName(said)));
  if (!probe.arch || !driver) return row('CUDA', 'ok', t('not used'));
  const found = rowForDriver(lock, probe.arch, driver);
  if (!found)
    return row(
      'CUDA',
      'bad',
      t('the driver {0} is too old', driver),
      lock.hosts[probe.arch].runtimes.cuda12
        ? t('have the driver updated to 525 (better 580) or newer')
        : t('have the driver updated to 580 or newer'),
    );
  const { version, files } = lockedRuntime(lock, probe.arch, found);
  const size = gigabytes(
    files.reduce((sum, file) => sum + file.size, 0),
    t,
  );
  return row('CUDA', 'ok', t('{0}, ONNX Runtime {1}, {2} to fetch', rowName(found), version, size));
}

function diskRow(
  probe: HostProbe,
  lock: HostLock,
  said: RuntimeRow | undefined,
  { t, root }: Wording,
): CheckRow {
  const name = t('disk');
  if (!probe.writable)
    return row(
      name,
      'bad',
      t('{0} cannot be written', probe.root),
      t('choose another folder with {0}', root),
    );
  const value = t('{0} free for {1}', gigabytes(probe.diskFreeBytes, t), probe.root);
  const free = probe.diskFreeBytes ?? Number.POSITIVE_INFINITY;
  const needed = roomNeeded(probe, lock, said);
  if (!probe.agent && free < needed)
    return row(
      name,
      'bad',
      value,
      t('an installation takes up to {0}: free some, or use {1}', gigabytes(needed, t), root),
    );
  if (free < roomForRuns)
    return row(name, 'note', value, t('runs keep their states, samples and adapters there: free some'));
  return row(name, 'ok', value);
}

function memoryRow({ memoryFreeBytes, memoryBytes }: HostProbe, { t }: Wording): CheckRow {
  const value = t('{0} free of {1}', gigabytes(memoryFreeBytes, t), gigabytes(memoryBytes, t));
  return row(t('memory'), 'ok', value);
}

function registryRow({ npm, pypi }: HostProbe, { t, mirrors }: Wording): CheckRow {
  const say = (reached: boolean | undefined) =>
    reached === undefined ? t('not tried') : reached ? t('reached') : t('not reached');
  const value = `npm ${say(npm)}, PyPI ${say(pypi)}`;
  if (npm && pypi) return row(t('registries'), 'ok', value);
  return row(
    t('registries'),
    'note',
    value,
    t('files then go through this machine; or name a mirror or proxy: {0}', mirrors),
  );
}

function agentRow(
  probe: HostProbe,
  own: HostPackage,
  { name: host, install }: HostProfile,
  registries: Registries,
  wording: Wording,
): CheckRow {
  const { t } = wording;
  const name = t('agent');
  const remedy = wording.install(host);
  if (!probe.agent) return row(name, 'note', t('not installed'), remedy);
  if (!probe.arch) return row(name, 'note', probe.agent);
  const wanted = versionName(
    planSetup(probe, probe.arch, own, {
      registries,
      fetch: true,
      ...(install?.runtime ? { row: install.runtime } : {}),
    }),
  );
  return probe.agent === wanted
    ? row(name, 'ok', probe.agent)
    : row(name, 'note', t('{0}; this program brings {1}', probe.agent, wanted), remedy);
}

function processesRow({ killsUserProcesses, lingers, tools }: HostProbe, { t }: Wording): CheckRow {
  const name = t('processes');
  if (killsUserProcesses === undefined) return row(name, 'ok', t('no logind that ends them at logout'));
  if (!killsUserProcesses) return row(name, 'ok', t('stay after logout'));
  if (lingers && tools.has('systemd-run')) return row(name, 'ok', t('end at logout, but this user lingers'));
  return row(
    name,
    'bad',
    t('logind ends them at logout (KillUserProcesses=yes)'),
    t('run there once: {0}', 'loginctl enable-linger'),
  );
}
