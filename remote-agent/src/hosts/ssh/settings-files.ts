import { existsSync, readFileSync } from 'node:fs';
import { homedir, userInfo } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';
import SSHConfig, { type Line } from 'ssh-config';
import { globSync } from 'tinyglobby';
import { ParaError } from '../../common/errors.ts';

/** Settings as `ssh -G` names them, in small letters; several values where a setting may come several times. */
export type RawSettings = ReadonlyMap<string, readonly string[]>;

/** Options of `ssh` and the settings they stand for. */
const options: Record<string, string> = {
  '-p': 'port',
  '-l': 'user',
  '-i': 'identityfile',
  '-J': 'proxyjump',
};
/** Settings that may come several times and add up. */
const lists = new Set(['identityfile', 'certificatefile']);
const mostIncludes = 16;

/**
 * Settings of a host without the help of `ssh`: the arguments first, then the user's file, then the machine's; the
 * first word on a setting wins.
 * @param place the target, taken apart
 * @throws ParaError `login` for a file that cannot be read
 */
export function readSettingsFiles(
  { user, host, port }: { user?: string; host: string; port?: string },
  args: readonly string[],
): RawSettings {
  const reader = new Reader(host);
  let files = [join(homedir(), '.ssh/config'), '/etc/ssh/ssh_config'];
  for (let i = 0; i + 1 < args.length; i += 2) {
    const [option, value] = [args[i]!, args[i + 1]!];
    if (option === '-F') files = value === 'none' ? [] : [value];
    else if (options[option]) reader.add(options[option], value);
  }
  if (user) reader.add('user', user);
  if (port) reader.add('port', port);
  // A command in the machine's own file is not run; those in the user's file are the user's.
  for (const [index, file] of files.entries()) reader.read(file, dirname(files[0]!), index === 0, 0);
  const hostName = reader.settings.get('hostname')?.[0];
  if (hostName) reader.settings.set('hostname', [hostName.replaceAll('%h', host)]);
  return reader.settings;
}

class Reader {
  readonly settings = new Map<string, string[]>();
  readonly #host: string;

  constructor(host: string) {
    this.#host = host;
  }

  add(name: string, value: string): void {
    const old = this.settings.get(name);
    if (!old) this.settings.set(name, [value]);
    else if (lists.has(name) && !old.includes(value)) old.push(value);
    // Both are one choice, and the first of the two decides; only "ProxyJump none" leaves the other open.
    const other = { proxyjump: 'proxycommand', proxycommand: 'proxyjump' }[name];
    if (other && !(name === 'proxyjump' && value === 'none') && !this.settings.has(other))
      this.settings.set(other, ['none']);
  }

  read(file: string, folder: string, mayRun: boolean, depth: number): void {
    if (depth > mostIncludes || !existsSync(file)) return;
    try {
      this.#take(SSHConfig.parse(readFileSync(file, 'utf8')), folder, mayRun, depth);
    } catch (cause) {
      if (cause instanceof ParaError) throw cause;
      throw new ParaError('login', 'The SSH configuration cannot be read', { where: file, cause });
    }
  }

  #take(lines: readonly Line[], folder: string, mayRun: boolean, depth: number): void {
    for (const line of lines) {
      if (line.type !== SSHConfig.DIRECTIVE) continue;
      const name = line.param.toLowerCase();
      const values = typeof line.value === 'string' ? [line.value] : line.value.map(({ val }) => val);
      if ('config' in line) {
        if (this.#fits(line, mayRun)) this.#take(line.config, folder, mayRun, depth);
      } else if (name === 'include') {
        for (const pattern of values) this.#include(pattern, folder, mayRun, depth + 1);
      } else this.add(name, values.join(' '));
    }
  }

  #include(pattern: string, folder: string, mayRun: boolean, depth: number): void {
    const whole = pattern.replace(/^~(?=\/)/, homedir());
    const found = globSync(isAbsolute(whole) ? whole : join(folder, whole), { absolute: true, dot: true });
    for (const file of found.sort()) this.read(file, folder, mayRun, depth);
  }

  /** Whether a Host or Match line is about this host, as far as it is known by now. */
  #fits(section: Line, matchExec: boolean): boolean {
    const known = this.settings.get('hostname')?.[0]?.replaceAll('%h', this.#host) ?? this.#host;
    const trial = SSHConfig.parse(`HostName ${known}\n`);
    trial.push({ ...section, config: SSHConfig.parse('Fits yes\n') } as Line);
    const user = this.settings.get('user')?.[0] ?? userInfo().username;
    return 'fits' in trial.compute({ Host: this.#host, User: user }, { ignoreCase: true, matchExec });
  }
}
