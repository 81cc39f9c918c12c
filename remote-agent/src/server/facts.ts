import { existsSync, readdirSync, statfsSync } from 'node:fs';
import { arch, cpus, freemem, platform, totalmem } from 'node:os';
import { dirname } from 'node:path';
import { gpus } from '../jobs/gpus.ts';
import { runsFolder } from '../jobs/job.ts';
import { loginRules } from '../jobs/login.ts';
import type { HostFacts } from '../protocol/contract.ts';

/** What this machine is. */
export async function hostFacts(agent: string): Promise<HostFacts> {
  const home = dirname(runsFolder());
  const disk = statfsSync(existsSync(home) ? home : '/');
  const musl = existsSync('/lib') && readdirSync('/lib').some((name) => name.startsWith('ld-musl'));
  return {
    platform: platform(),
    arch: arch(),
    libc: platform() === 'linux' ? (musl ? 'musl' : 'glibc') : '',
    node: process.versions.node,
    agent,
    cpus: cpus().length,
    cpuModel: cpus()[0]?.model ?? '',
    memoryBytes: totalmem(),
    freeMemoryBytes: freemem(),
    diskFreeBytes: disk.bavail * disk.bsize,
    home,
    gpus: await gpus(),
    ...(await loginRules()),
  };
}
