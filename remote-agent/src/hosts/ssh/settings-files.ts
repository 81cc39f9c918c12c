import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';
import SSHConfig from 'ssh-config';
import { globSync } from 'tinyglobby';

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

/**
 * Settings of a host without the help of `ssh`: the arguments first, then the user's file, then the machine's; the
 * first word on a setting wins.
 */
export function readSettingsFiles(target: string, args: readonly string[]): RawSettings {
  const settings = new Map<string, string[]>();
  const add = (name: string, value: string) => {
    const old = settings.get(name);
    if (!old) settings.set(name, [value]);
    else if (lists.has(name)) old.push(value);
  };
  const rest = target.replace(/^ssh:\/\//, '').replace(/\/$/, '');
  const at = rest.lastIndexOf('@');
  const port = /^ssh:/.test(target) ? /:(\d+)$/.exec(rest)?.[1] : undefined;
  const host = rest.slice(at + 1, port ? -port.length - 1 : undefined);
  let files = [join(homedir(), '.ssh/config'), '/etc/ssh/ssh_config'];
  for (let i = 0; i + 1 < args.length; i += 2) {
    const [option, value] = [args[i]!, args[i + 1]!];
    if (option === '-F') files = value === 'none' ? [] : [value];
    else if (options[option]) add(options[option], value);
  }
  if (at > 0) add('user', rest.slice(0, at));
  if (port) add('port', port);
  for (const [index, file] of files.entries()) {
    // A command in the machine's own file is not run; those of the user's file are the user's.
    const matchExec = index === 0;
    const config = SSHConfig.parse(readWithIncludes(file, dirname(files[0]!), 0));
    const user = settings.get('user')?.[0];
    const found = config.compute(
      { Host: host, ...(user ? { User: user } : {}) },
      { ignoreCase: true, matchExec },
    );
    for (const [name, value] of Object.entries(found)) {
      const key = name.toLowerCase();
      if (key === 'host' || key === 'match') continue;
      for (const part of lists.has(key) ? [value].flat() : [[value].flat().join(' ')]) add(key, part);
    }
  }
  // A name given by HostName may hold the one that was asked for.
  const hostName = settings.get('hostname')?.[0];
  if (hostName) settings.set('hostname', [hostName.replaceAll('%h', host)]);
  return settings;
}

/** The text of a file with that of the files it names in place of `Include`. */
function readWithIncludes(file: string, folder: string, depth: number): string {
  if (depth > 16 || !existsSync(file)) return '';
  return readFileSync(file, 'utf8').replace(/^[ \t]*include[ \t=]+(.*)$/gim, (_, names: string) =>
    names
      .trim()
      .split(/\s+/)
      .flatMap((name) => {
        const whole = name.replace(/^"(.*)"$/, '$1').replace(/^~(?=\/)/, homedir());
        const pattern = isAbsolute(whole) ? whole : join(folder, whole);
        return globSync(pattern, { absolute: true, dot: true }).sort();
      })
      .map((found) => readWithIncludes(found, folder, depth + 1))
      .join('\n'),
  );
}
