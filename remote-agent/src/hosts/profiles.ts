import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ParaError } from '../common/errors.ts';
import { writeFileAtomic } from '../common/files.ts';
import { runsFolder } from '../jobs/job.ts';

/** A host as the user named it. */
export interface HostProfile {
  readonly name: string;
  /** `local`: a child process here; `ssh2`: our own SSH client; `openssh`: the system's `ssh`. */
  readonly transport: 'local' | 'ssh2' | 'openssh';
  /** `user@host` or a Host of `~/.ssh/config`. */
  readonly target?: string;
  /** Further arguments for `ssh`: -p, -i, -l, -J, -F and their values. */
  readonly sshArguments?: readonly string[];
  /** Folder on the host that holds everything; relative to the home there. */
  readonly root: string;
}

const file = () => join(dirname(runsFolder()), 'hosts.json');

export function listHosts(): HostProfile[] {
  return existsSync(file()) ? (JSON.parse(readFileSync(file(), 'utf8')) as HostProfile[]) : [];
}

/** @throws ParaError `host` naming those there are */
export function findHost(name: string): HostProfile {
  const hosts = listHosts();
  const found = hosts.find((host) => host.name === name);
  if (found) return found;
  const known = hosts.map((host) => host.name).join(', ');
  throw new ParaError('host', `There is no host "${name}"`, {
    hint: known ? `known hosts: ${known}` : 'add one: para host add NAME user@host',
  });
}

const save = (hosts: readonly HostProfile[]) =>
  writeFileAtomic(file(), `${JSON.stringify(hosts, null, 2)}\n`);

/** @throws ParaError `exists`, `settings` */
export function addHost(profile: HostProfile): void {
  if (!/^[A-Za-z0-9][\w.-]{0,60}$/.test(profile.name))
    throw new ParaError('settings', 'A host name holds letters, digits, dots, dashes', {
      where: profile.name,
    });
  if (listHosts().some((host) => host.name === profile.name))
    throw new ParaError('exists', `There is a host "${profile.name}" already`, {
      hint: `remove it first: para host remove ${profile.name}`,
    });
  save([...listHosts(), profile]);
}

export function removeHost(name: string): void {
  findHost(name);
  save(listHosts().filter((host) => host.name !== name));
}

/**
 * Reads where a host is: `user@host`, `user@host:port`, a Host of `~/.ssh/config`, or the whole command line that
 * providers print (`ssh -p 4022 -i key user@host`).
 * @throws ParaError `settings` for options that are not understood
 */
export function parseTarget(text: string): { target: string; sshArguments: string[] } {
  const words = text.trim().split(/\s+/);
  if (words[0] === 'ssh') words.shift();
  const sshArguments: string[] = [];
  let target: string | undefined;
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    const option = /^-([pilJF])(.*)$/.exec(word);
    if (option) {
      const value = option[2] || words[++i];
      if (!value) throw new ParaError('settings', `"${word}" lacks its value`, { where: text });
      sshArguments.push(`-${option[1]}`, value);
    } else if (word.startsWith('-') || target !== undefined)
      throw new ParaError('settings', `"${word}" is not understood`, {
        where: text,
        hint: 'user@host[:port], or: ssh [-p port] [-i key] [-l user] [-J jump] [-F config] user@host',
      });
    else target = word;
  }
  if (!target) throw new ParaError('settings', 'No host is given', { where: text });
  const port = /^([^:]+):(\d+)$/.exec(target);
  if (!port) return { target, sshArguments };
  return { target: port[1]!, sshArguments: ['-p', port[2]!, ...sshArguments] };
}
