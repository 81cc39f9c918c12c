// The host of the campaign: a real SSH server behind a link that breaks, an agent, a disk of its own that can be full,
// a boot of its own that can end.

import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openBase } from '../../src/diffusion/base.ts';
import { jobFiles } from '../../src/jobs/job.ts';
import { checkout, sshHost } from '../hosts/agent-host.ts';
import { descendantsOf, killHard } from '../hosts/processes.ts';
import { Sshd } from '../hosts/sshd.ts';
import { temporaryOf } from './client-process.ts';
import { FaultyLink } from './faulty-link.ts';
import { killRoles } from './processes.ts';

const diskMegabytes = 64;
const bases = 'remote-agent/test/golden/bases/tiny-optimum';

export class ChaosHost {
  #boot = 0;

  private constructor(
    readonly sshd: Sshd,
    readonly link: FaultyLink,
    /** PARA_HOME of the client. */
    readonly clientHome: string,
    /** PARA_HOME of the host. */
    readonly home: string,
    readonly ownDisk: boolean,
    readonly bootFile: string,
  ) {}

  static async start(): Promise<ChaosHost> {
    const sshd = await Sshd.start();
    const link = await FaultyLink.open(sshd.port);
    const clientHome = mkdtempSync(join(tmpdir(), 'para-chaos-'));
    mkdirSync(temporaryOf(clientHome));
    const home = join(sshd.home, '.para-studio');
    mkdirSync(home, { mode: 0o700 });
    const options = `size=${diskMegabytes}m,mode=700`;
    const ownDisk = spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', home]).status === 0;
    for (const transport of ['ssh2', 'openssh'] as const)
      sshHost(transport, sshd, clientHome, transport, link.port);
    const bootFile = join(sshd.folder, 'boot');
    writeFileSync(
      join(home, 'agent/current/para-agent'),
      `PARA_BOOT_ID_FILE='${bootFile}' PARA_HOME='${home}' exec '${process.execPath}' '${checkout}/remote-agent/dist/agent.js' "$@"\n`,
    );
    for (const folder of [home, clientHome])
      cpSync(join(checkout, bases), join(folder, 'bases/tiny'), { recursive: true });
    const host = new ChaosHost(sshd, link, clientHome, home, ownDisk, bootFile);
    host.#nextBoot();
    return host;
  }

  get baseHash(): string {
    return openBase(join(this.home, 'bases/tiny')).hash;
  }

  #nextBoot(): void {
    writeFileSync(this.bootFile, `boot ${++this.#boot}\n`);
  }

  /** Kills the processes of the server that carry links; what they started lives on. @returns how many */
  killLinks(): number {
    const found = descendantsOf(this.sshd.pid).filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith('sshd');
      } catch {
        return false; // it ended meanwhile
      }
    });
    for (const pid of found) killHard(pid);
    return found.length;
  }

  /** Kills the server and all that carries its links, and starts it again on its port. */
  async restartSshd(): Promise<number> {
    const links = this.killLinks();
    killHard(this.sshd.pid);
    await this.sshd.restart();
    return links;
  }

  /** Kills everything at once; what comes after is another boot. */
  async reboot(): Promise<number> {
    const killed = killRoles(this.home, 'supervisor', 'trainer', 'agent');
    this.#nextBoot();
    await this.restartSshd();
    return killed;
  }

  /** Takes all room on the disk. @returns a function that gives it back */
  fillDisk(): () => void {
    const filler = join(this.home, 'filler');
    // dd ends with an error when the disk is full.
    spawnSync('dd', ['if=/dev/zero', `of=${filler}`, 'bs=4k', `count=${diskMegabytes * 512}`]);
    return () => rmSync(filler, { force: true });
  }

  /** Files that nobody should find when no job runs. */
  strayFiles(): string[] {
    return [this.home, join(this.clientHome, 'runs')]
      .flatMap((folder) =>
        readdirSync(folder, { recursive: true, encoding: 'utf8' })
          .filter((name) =>
            /\.(tmp|part|lock|draft)$|\.lock\.|(^|\/)(stop|filler)$|runs\/[^/]+\/reserve$/.test(name),
          )
          .map((name) => join(folder, name)),
      )
      .concat(this.#leftByClients());
  }

  /** What clients, killed ones too, left in the folder for what is temporary. */
  #leftByClients(): string[] {
    const folder = temporaryOf(this.clientHome);
    // Sockets of the system's ssh live in one folder that stays.
    return readdirSync(folder)
      .filter((name) => !/^(para-ssh-\d+|node-compile-cache)$/.test(name))
      .map((name) => join(folder, name));
  }

  async stop(): Promise<void> {
    killRoles(this.home, 'supervisor', 'trainer', 'agent');
    await this.link.close();
    if (this.ownDisk) spawnSync('umount', ['-l', this.home]);
    await this.sshd.stop();
    rmSync(this.clientHome, { recursive: true, force: true });
  }
}

/** State of a job as its host last wrote it; who lives there can only be told on the host, in its own boot. */
export function stateIn(job: string): string {
  try {
    return (JSON.parse(readFileSync(jobFiles(job).status, 'utf8')) as { state: string }).state;
  } catch {
    return 'none'; // not yet made
  }
}
