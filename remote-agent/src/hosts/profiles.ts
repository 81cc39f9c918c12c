import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { ParaError } from '../common/errors.ts';
import { writeFileAtomic } from '../common/files.ts';
import { runsFolder } from '../jobs/job.ts';
import { protectHome } from '../jobs/protect-home.ts';
import type { RuntimeRow } from './install/lock.ts';

/** How the agent is installed on a host, as it was said once; `undefined`: as everywhere. */
export interface InstallSettings {
  readonly npmRegistry?: string;
  readonly pypi?: string;
  readonly proxy?: string;
  readonly runtime?: RuntimeRow;
}

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
  readonly install?: InstallSettings;
  /** How the agent of this machine is started where it comes with the program that asks; never read from a file. */
  readonly agent?: { readonly words: readonly string[]; readonly env: NodeJS.ProcessEnv };
}

const file = () => join(dirname(runsFolder()), 'hosts.json');

/** @throws ParaError `settings` for a file that was damaged */
export function listHosts(): HostProfile[] {
  if (!existsSync(file())) return [];
  try {
    const hosts = JSON.parse(readFileSync(file(), 'utf8')) as HostProfile[];
    if (Array.isArray(hosts) && hosts.every(isProfile)) return hosts.map(({ agent: _, ...host }) => host);
  } catch {
    // No JSON: told below.
  }
  throw new ParaError('settings', 'The list of hosts cannot be read', {
    where: file(),
    hint: 'mend or delete this file, then add the hosts again: para host add',
  });
}

const isProfile = (host: Partial<HostProfile> | null): boolean =>
  typeof host?.name === 'string' &&
  typeof host.root === 'string' &&
  ['local', 'ssh2', 'openssh'].includes(host.transport ?? '') &&
  (host.transport === 'local' || typeof host.target === 'string') &&
  [...(host.sshArguments ?? []), ...Object.values(host.install ?? {})].every((w) => typeof w === 'string');

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

function save(hosts: readonly HostProfile[]): void {
  protectHome();
  writeFileAtomic(file(), `${JSON.stringify(hosts, null, 2)}\n`, 0o600);
}

/** Default folder on a host, in the home there. */
export const defaultRoot = '.para-studio';

/** Names this machine where a host can be named. */
export const here = 'here';

/** Whether a host can have this name: letters, digits, dots, dashes; "here" is taken. */
export const isHostName = (name: string): boolean => /^[A-Za-z0-9][\w.-]{0,60}$/.test(name) && name !== here;

/**
 * Names a host.
 * @param replace one of this name gives way; how it is installed stays as it was said for it
 * @throws ParaError `exists`, `settings`
 */
export function addHost(profile: HostProfile, replace = false): void {
  if (!isHostName(profile.name))
    throw new ParaError('settings', 'A host name holds letters, digits, dots, dashes', {
      where: profile.name,
      ...(profile.name === here ? { hint: 'this one names the machine you sit at' } : {}),
    });
  const before = listHosts().find((host) => host.name === profile.name);
  if (before && !replace)
    throw new ParaError('exists', `There is a host "${profile.name}" already`, {
      hint: `choose another name, or replace it: para host add ${profile.name} ... --replace`,
    });
  const kept = before?.install === undefined ? {} : { install: before.install };
  save([...listHosts().filter(({ name }) => name !== profile.name), { ...kept, ...profile }]);
}

/** Whether a text is an address with a name or a password in it. */
export function hasLogin(address: string): boolean {
  if (!URL.canParse(address)) return false;
  const { username, password } = new URL(address);
  return username !== '' || password !== '';
}

/** Keeps how a host is installed, for the next time. A URL that holds a login is used once and not written down. */
export function rememberInstall(name: string, settings: InstallSettings): void {
  const install = Object.fromEntries(Object.entries(settings).filter(([, value]) => !hasLogin(value)));
  const before = findHost(name);
  if (!isDeepStrictEqual(before.install ?? {}, install))
    save(listHosts().map((host) => (host.name === name ? { ...host, install } : host)));
}

/** Reaches a host by another SSH client from now on. @throws ParaError `host`, `settings` */
export function setTransport(name: string, transport: 'ssh2' | 'openssh'): void {
  if (findHost(name).target === undefined)
    throw new ParaError('settings', 'This host is a folder of this machine: no SSH client reaches it', {
      where: name,
      hint: `to make another of it: para host add ${name} user@host --replace --transport ${transport}`,
    });
  save(listHosts().map((host) => (host.name === name ? { ...host, transport } : host)));
}

export function removeHost(name: string): void {
  findHost(name);
  save(listHosts().filter((host) => host.name !== name));
}

/** Options of `ssh` that providers print, and what to do instead. */
const refused: Record<string, string> = {
  o: 'put this setting into ~/.ssh/config, under "Host NAME", and name that host here',
  L: 'leave it out: nothing is forwarded, everything goes over the login itself',
  R: 'leave it out: nothing is forwarded, everything goes over the login itself',
  D: 'leave it out: nothing is forwarded, everything goes over the login itself',
  W: 'use -J, or ProxyJump in ~/.ssh/config',
  A: 'leave it out: keys stay on this machine',
};

/**
 * Reads where a host is: `user@host`, `user@host:port`, `[address]:port`, `ssh://user@host:port`, a Host of
 * `~/.ssh/config`, or the whole command line that providers print (`ssh -p 4022 -i key user@host`).
 * @throws ParaError `settings` for what is not understood, with what to write instead
 */
export function parseTarget(text: string): { target: string; sshArguments: string[] } {
  const bad = (what: string, hint: string) => new ParaError('settings', what, { where: text, hint });
  const usage = 'user@host[:port], or: ssh [-p port] [-i key] [-l user] [-J jump] [-F config] user@host';
  const words = text.match(/(?:"[^"]*"|'[^']*'|[^\s"'])+/g)?.map((word) => word.replace(/["']/g, '')) ?? [];
  if (/^(.*[\\/])?ssh(\.exe)?$/.test(words[0] ?? '')) words.shift();
  const sshArguments: string[] = [];
  let target: string | undefined;
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    const [, letter = '', rest = ''] = /^-([A-Za-z])(.*)$/.exec(word) ?? [];
    if (/[pilJF]/.test(letter)) {
      const value = rest || words[++i];
      if (!value) throw bad(`"${word}" lacks its value`, usage);
      sshArguments.push(`-${letter}`, /[iF]/.test(letter) ? wholePath(value) : value);
    } else if (letter) throw bad(`"${word}" is not understood`, refused[letter] ?? usage);
    else if (target !== undefined)
      throw bad(`"${word}" is not understood`, `no program is named here; ${usage}`);
    else if (word !== '--') target = word;
  }
  if (!target) throw bad('No host is given', usage);
  const place =
    /^(?:ssh:\/\/)?((?:[^@]*@)?)(?:\[([^\]]+)\]|([^:[\]]+|[^@]*:[^@]*:[^@]*))(?::(\d+))?\/?$/.exec(target);
  const host = place?.[2] ?? place?.[3];
  if (!host || /^-/.test(host) || /^-|[\s\0]/.test(target)) throw bad('This is no name of a host', usage);
  const port = place![4];
  const given = sshArguments[sshArguments.indexOf('-p') + 1];
  if (sshArguments.includes('-p') && port && port !== given) throw bad('Two ports are given', usage);
  for (const number of [port, sshArguments.includes('-p') ? given : undefined])
    if (number !== undefined && !(/^\d+$/.test(number) && Number(number) >= 1 && Number(number) <= 65535))
      throw bad(`"${number}" is no port`, usage);
  const first = port && !sshArguments.includes('-p') ? ['-p', port] : [];
  return { target: `${place![1]}${host}`, sshArguments: [...first, ...sshArguments] };
}

/** The same file from whatever folder this program is called later. */
const wholePath = (path: string) => (/^~|^none$/.test(path) ? path : resolve(path));
