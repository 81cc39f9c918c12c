import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { homedir, hostname, userInfo } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ParaError } from '../../common/errors.ts';
import { type RawSettings, readSettingsFiles } from './settings-files.ts';

/** How to reach one host, as the user's own SSH configuration says. Paths are whole, tokens filled in. */
export interface HostSettings {
  /** The name that was asked for. */
  readonly alias: string;
  readonly hostName: string;
  readonly port: number;
  readonly user: string;
  readonly family: 0 | 4 | 6;
  /** Further hosts on the way, from here to there; `user@host:port` each. */
  readonly proxyJump: readonly string[];
  readonly proxyCommand: string | undefined;
  /** What known_hosts calls it: `host`, `[host]:port`, or HostKeyAlias; in small letters. */
  readonly knownName: string;
  /** Whether a key under the name without the port will do too. */
  readonly hasAlias: boolean;
  readonly userKnownHosts: readonly string[];
  readonly globalKnownHosts: readonly string[];
  readonly hashKnownHosts: boolean;
  /** StrictHostKeyChecking is "yes": an unknown key is refused and nobody is asked. */
  readonly neverAsk: boolean;
  readonly identityFiles: readonly string[];
  readonly certificateFiles: readonly string[];
  readonly identitiesOnly: boolean;
  /** Socket of the key agent. */
  readonly agent: string | undefined;
  readonly publicKeys: boolean;
  readonly passwords: boolean;
  readonly keyboard: boolean;
  /** In ms. */
  readonly connectTimeout: number;
  readonly aliveInterval: number;
  readonly aliveCount: number;
  /** Names of algorithms the user allows; `undefined`: no choice is known. */
  readonly algorithms: Readonly<
    Record<'hostKeys' | 'kex' | 'ciphers' | 'macs', readonly string[] | undefined>
  >;
}

const run = promisify(execFile);

/**
 * Reads the settings of a host: by `ssh -G` where there is an `ssh`, which knows every rule; else from the files.
 * @param args further arguments for `ssh`: -p, -i, -l, -J, -F and their values
 * @throws ParaError `settings` or `login` for a name no host can have, and for settings this transport cannot keep
 */
export async function readSettings(
  target: string,
  args: readonly string[] = [],
  program = 'ssh',
): Promise<HostSettings> {
  if (target.startsWith('-') || /[\s\0]/.test(target))
    throw new ParaError('settings', 'This is no name of a host', { where: target });
  const key = args[args.indexOf('-i') + 1];
  if (args.includes('-i') && !existsSync(key!.replace(/^~(?=[/\\])/, homedir())))
    throw new ParaError('login', 'There is no such key file', {
      where: key!,
      hint: 'check the path after -i',
    });
  try {
    return settingsFrom(target, await dumpSettings(target, args, program));
  } catch (cause) {
    if (cause instanceof ParaError) throw cause;
    const { code, stderr } = cause as { code?: unknown; stderr?: string };
    if (code === 'ENOENT') return settingsFrom(target, readSettingsFiles(splitTarget(target), args));
    throw new ParaError('login', 'The SSH configuration cannot be read', {
      where: stderr?.trim() ?? target,
      cause,
    });
  }
}

/** What `ssh -G` says of a host. @throws Error where there is no such program, or it cannot read its files */
export async function dumpSettings(
  target: string,
  args: readonly string[] = [],
  program = 'ssh',
): Promise<RawSettings> {
  const { stdout: text } = await run(program, ['-G', ...args, '--', target], { maxBuffer: 1 << 22 });
  const settings = new Map<string, string[]>();
  for (const line of text.split(/\r?\n/)) {
    const space = line.indexOf(' ');
    if (space <= 0) continue;
    const name = line.slice(0, space).toLowerCase();
    settings.set(name, [...(settings.get(name) ?? []), line.slice(space + 1).trim()]);
  }
  return settings;
}

/** Settings that would weaken or change what this transport checks if they were passed over. */
const unkept: Record<string, string> = {
  revokedhostkeys: 'RevokedHostKeys',
  knownhostscommand: 'KnownHostsCommand',
};

function settingsFrom(target: string, raw: RawSettings): HostSettings {
  const one = (name: string) => {
    const value = raw.get(name)?.[0];
    return value === undefined || value.toLowerCase() === 'none' || value === '' ? undefined : value;
  };
  const yes = (name: string, otherwise: boolean) => {
    const value = one(name)?.toLowerCase();
    return value === undefined ? otherwise : value === 'yes' || value === 'true';
  };
  const seconds = (name: string) => Number.parseInt(one(name) ?? '0', 10) * 1000;
  const list = (name: string) => one(name)?.split(',');
  for (const [name, title] of Object.entries(unkept))
    if (one(name))
      throw new ParaError('login', `The SSH configuration of this host sets ${title}`, {
        where: target,
        hint: 'choose the transport "openssh" for this host',
      });

  const { user: inTarget, host: alias } = splitTarget(target);
  const hostName = one('hostname') ?? alias;
  const port = Number(one('port') ?? 22);
  const user = one('user') ?? inTarget ?? userInfo().username;
  // A name goes into commands of the user's configuration: nothing that a shell would act on.
  if (/[^\w.:%@-]/.test(hostName) || hostName.startsWith('-'))
    throw new ParaError('settings', 'This is no name of a host', { where: hostName });
  if (/['"`$\\;&<>|(){}\s]/.test(user) || user.startsWith('-'))
    throw new ParaError('settings', 'This is no name of a user', { where: user });

  const fill = tokens({ alias, hostName, port, user, jump: one('proxyjump') ?? '' });
  const path = (text: string) => fill(text.replace(/^"(.*)"$/, '$1').replace(/^~(?=[/\\]|$)/, homedir()));
  const paths = (name: string, otherwise: readonly string[]) =>
    (raw.get(name) ?? otherwise)
      .flatMap((value) => (existsSync(path(value)) ? [value] : value.split(/\s+/)))
      .filter((value) => value.toLowerCase() !== 'none')
      .map(path);
  const own = (...names: string[]) => names.map((name) => join(homedir(), '.ssh', name));
  const agent = one('identityagent') ?? (raw.get('identityagent') ? undefined : 'SSH_AUTH_SOCK');
  const keyAlias = one('hostkeyalias')?.toLowerCase();
  const family = one('addressfamily')?.toLowerCase();
  const command = one('proxycommand');
  return {
    alias,
    hostName,
    port,
    user,
    family: family === 'inet' ? 4 : family === 'inet6' ? 6 : 0,
    proxyJump: list('proxyjump')?.map((hop) => hop.trim()) ?? [],
    proxyCommand: command === undefined ? undefined : fill(command),
    knownName: keyAlias ?? (port === 22 ? hostName.toLowerCase() : `[${hostName.toLowerCase()}]:${port}`),
    hasAlias: keyAlias !== undefined,
    userKnownHosts: paths('userknownhostsfile', own('known_hosts', 'known_hosts2')),
    globalKnownHosts: paths('globalknownhostsfile', [
      '/etc/ssh/ssh_known_hosts',
      '/etc/ssh/ssh_known_hosts2',
    ]),
    hashKnownHosts: yes('hashknownhosts', false),
    neverAsk: ['yes', 'true'].includes(one('stricthostkeychecking')?.toLowerCase() ?? ''),
    identityFiles: (raw.get('identityfile') ?? own('id_rsa', 'id_ecdsa', 'id_ed25519'))
      .filter((file) => file.toLowerCase() !== 'none')
      .map(path),
    certificateFiles: (raw.get('certificatefile') ?? []).map(path),
    identitiesOnly: yes('identitiesonly', false),
    agent: agent === undefined ? undefined : agentSocket(agent, path),
    publicKeys: yes('pubkeyauthentication', true) || /bound/.test(one('pubkeyauthentication') ?? ''),
    passwords: yes('passwordauthentication', true),
    keyboard: yes('kbdinteractiveauthentication', true),
    connectTimeout: seconds('connecttimeout') || 15_000,
    aliveInterval: seconds('serveraliveinterval') || 10_000,
    aliveCount: Number(one('serveralivecountmax') ?? 3),
    algorithms: {
      hostKeys: list('hostkeyalgorithms'),
      kex: list('kexalgorithms'),
      ciphers: list('ciphers'),
      macs: list('macs'),
    },
  };
}

/** `user@host`, `host` or `ssh://user@host:port`; the port of a URL is read by whoever reads the settings. */
export function splitTarget(target: string): { user?: string; host: string; port?: string } {
  const url = /^ssh:\/\/(.*?)\/?$/.exec(target);
  const rest = url?.[1] ?? target;
  const at = rest.lastIndexOf('@');
  const user = at > 0 ? { user: rest.slice(0, at) } : {};
  const place = rest.slice(at + 1);
  const bracket = /^\[([^\]]+)\](?::(\d+))?$/.exec(place);
  if (bracket) return { ...user, host: bracket[1]!, ...(bracket[2] ? { port: bracket[2] } : {}) };
  const ported = url && /^([^:]+):(\d+)$/.exec(place);
  return ported ? { ...user, host: ported[1]!, port: ported[2]! } : { ...user, host: place };
}

function agentSocket(value: string, path: (text: string) => string): string | undefined {
  const pipe = process.platform === 'win32' ? '\\\\.\\pipe\\openssh-ssh-agent' : undefined;
  if (value === 'SSH_AUTH_SOCK') return process.env.SSH_AUTH_SOCK ?? pipe;
  return value.startsWith('$') ? process.env[value.slice(1).replace(/^\{(.*)\}$/, '$1')] : path(value);
}

/** Fills in `%h`, `%p` and so on, and `${NAME}` from the environment. */
function tokens(of: { alias: string; hostName: string; port: number; user: string; jump: string }) {
  const here = hostname();
  const hash = createHash('sha1').update(`${here}${of.hostName}${of.port}${of.user}${of.jump}`).digest('hex');
  const values: Record<string, string> = {
    '%': '%',
    C: hash,
    d: homedir(),
    h: of.hostName,
    i: String(process.getuid?.() ?? ''),
    j: of.jump,
    k: of.alias,
    L: here.split('.')[0]!,
    l: here,
    n: of.alias,
    p: String(of.port),
    r: of.user,
    u: userInfo().username,
  };
  return (text: string): string =>
    text
      .replace(/\$\{(\w+)\}/g, (whole, name: string) => process.env[name] ?? whole)
      .replace(/%(.)/g, (whole, token: string) => values[token] ?? whole);
}
