import { ParaError } from '../../common/errors.ts';
import { type HostArch, type HostLock, lockedRuntime, type RuntimeRow, rowForDriver } from './lock.ts';
import { runtimeName } from './names.ts';
import type { HostPackage } from './package.ts';
import type { HostProbe } from './probe.ts';
import type { Registries, SetupRequest } from './request.ts';

/** Oldest Node that runs the agent. */
const oldestNode = [20, 9] as const;

/** Whether a Node of the host itself can run the agent. */
export function nodeFits(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > oldestNode[0] || (major === oldestNode[0] && minor >= oldestNode[1]);
}

/** Folder name of the private Node. */
export const nodeName = (lock: HostLock, arch: HostArch): string => `${lock.node}-${arch}`;

/** The program that will run the agent, and whether it must be brought. */
export function chooseNode(
  probe: HostProbe,
  arch: HostArch,
  lock: HostLock,
): { path: string; bring: boolean } {
  const own = `node/${nodeName(lock, arch)}/bin/node`;
  if (probe.ownNodes.some((node) => node.path.endsWith(`/${own}`) && node.version === lock.node))
    return { path: own, bring: false };
  if (probe.systemNode && nodeFits(probe.systemNode.version))
    return { path: probe.systemNode.path, bring: false };
  return { path: own, bring: true };
}

/** The row for the host's GPU and driver; `cpu` where there is none that can be used. */
export function chooseRow(probe: HostProbe, arch: HostArch, lock: HostLock): RuntimeRow {
  const driver = probe.gpus[0]?.driver;
  return (driver && rowForDriver(lock, arch, driver)) || 'cpu';
}

/** What the set-up program is asked to do on this host. */
export function planSetup(
  probe: HostProbe,
  arch: HostArch,
  own: HostPackage,
  choices: { readonly registries: Registries; readonly fetch: boolean; readonly row?: RuntimeRow },
): SetupRequest {
  const row = choices.row ?? chooseRow(probe, arch, own.lock);
  const { version, files } = lockedRuntime(own.lock, arch, row);
  return {
    root: probe.root,
    node: chooseNode(probe, arch, own.lock).path,
    registries: choices.registries,
    fetch: choices.fetch,
    version: own.version,
    runtime: {
      name: runtimeName(version, row, files),
      device: row === 'cpu' ? 'cpu' : 'cuda',
      files: [...files],
    },
    agent: own.agent,
    bases: own.bases,
  };
}

/** glibc 2.28: what Node, ONNX Runtime and the image library are built for. */
export function oldLibc(libc: string): boolean {
  const found = /^glibc ([0-9]+)\.([0-9]+)/.exec(libc);
  return found !== null && Number(found[1]) * 100 + Number(found[2]) < 228;
}

/**
 * Stops where an installation cannot work, before anything is sent.
 * @throws ParaError `host` saying what the host lacks
 */
export function requireInstallable(probe: HostProbe, name: string): HostArch {
  const refuse = (what: string, where: string, hint: string): never => {
    throw new ParaError('host', what, { where: `${name}: ${where}`, hint });
  };
  if (probe.system !== 'Linux')
    refuse(
      'The agent is installed on Linux hosts only',
      probe.system,
      'on this machine use the local commands',
    );
  if (!probe.arch)
    refuse('There is no build for this processor', probe.machine, 'hosts are x86_64 or arm64 machines');
  if (probe.libc === 'musl')
    refuse(
      'The host uses musl; the runtime is built for glibc',
      probe.libc,
      'use a Debian, Ubuntu, RHEL or SUSE host',
    );
  if (oldLibc(probe.libc) || probe.libstdcxx === 'old')
    refuse(
      'The system of the host is too old',
      `${probe.libc || 'libc unknown'}, libstdc++ ${probe.libstdcxx}`,
      'glibc 2.28 and libstdc++ of GCC 8 or newer are needed (RHEL 8, Debian 10, Ubuntu 20.04 or later)',
    );
  if (!probe.writable)
    refuse(
      'The folder cannot be written',
      probe.root,
      'choose another: para host add NAME TARGET --root DIR',
    );
  return probe.arch!;
}
