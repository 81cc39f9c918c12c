// What can go wrong, each as one function that does it to a running job.
import { setTimeout as sleep } from 'node:timers/promises';
import type { ClientProcess } from './client-process.ts';
import { type ChaosHost, stateIn } from './host.ts';
import { killRoles } from './processes.ts';

export interface Scene {
  readonly host: ChaosHost;
  readonly client: ClientProcess;
  /** The job's folder on the host. */
  readonly job: string;
  readonly random: () => number;
}

/** Does it. @returns whether anything was hit */
type Fault = (scene: Scene) => Promise<boolean>;

export const faults = {
  'kill the client': async ({ client, random }) => {
    if (!client.kill()) return false;
    await sleep(random() * 1500);
    client.start();
    return true;
  },
  'kill the agent': async ({ host }) => killRoles(host.home, 'agent') > 0,
  'kill the trainer': async ({ host }) => killRoles(host.home, 'trainer') > 0,
  'kill the supervisor': async ({ host }) => killRoles(host.home, 'supervisor') > 0,
  'kill supervisor and trainer': async ({ host }) => killRoles(host.home, 'supervisor', 'trainer') > 0,
  'kill the processes of the SSH server': async ({ host }) => host.killLinks() > 0,
  'kill and restart the SSH server': async ({ host }) => (await host.restartSshd()) > 0,
  'cut the link': async ({ host }) => {
    const { up } = host.link;
    host.link.cut();
    return up > 0;
  },
  'stall the link': async ({ host, random }) => {
    const { up } = host.link;
    await host.link.stall(300 + random() * 4000);
    return up > 0;
  },
  'leave the link half open': async ({ host }) => {
    const { up } = host.link;
    host.link.deaden();
    return up > 0;
  },
  'fill the disk': async ({ host, job, random }) => {
    const free = host.fillDisk();
    const until = Date.now() + 8000 + random() * 3000;
    while (Date.now() < until && stateIn(job) === 'running') await sleep(50);
    free();
    return stateIn(job) === 'failed';
  },
  'reboot the host': async ({ host }) => (await host.reboot()) > 0,
} as const satisfies Record<string, Fault>;

export type FaultName = keyof typeof faults;
