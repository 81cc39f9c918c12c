import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { ParaError } from '../../common/errors.ts';
import { type Fetched, get, reason, textOf } from '../../common/http.ts';
import type { InstallSettings } from '../profiles.ts';
import type { Registries, RegistryFile } from './request.ts';

const publicNpm = 'https://registry.npmjs.org';
const publicPypi = 'https://pypi.org/simple';

/**
 * The registries to use: as said, else as npm and pip are configured for this user, else the public ones.
 * @throws ParaError `settings` for what is no URL
 */
export function findRegistries(options: InstallSettings, env = process.env, home = homedir()): Registries {
  const npm =
    options.npmRegistry ?? env.npm_config_registry ?? setting(join(home, '.npmrc'), 'registry') ?? publicNpm;
  const pipFiles = [
    env.PIP_CONFIG_FILE,
    join(home, '.config/pip/pip.conf'),
    join(home, '.pip/pip.conf'),
    '/etc/pip.conf',
  ];
  const pypi =
    options.pypi ??
    env.PIP_INDEX_URL ??
    pipFiles.map((file) => file && setting(file, 'index-url')).find(Boolean) ??
    publicPypi;
  return {
    npm: checked(npm, 'npm registry'),
    pypi: checked(pypi, 'PyPI index'),
    ...(options.proxy ? { proxy: checked(options.proxy, 'proxy') } : {}),
  };
}

/** A value of an ini file: `name = value`, in whichever section. */
function setting(path: string, name: string): string | undefined {
  if (!existsSync(path)) return undefined;
  const line = new RegExp(`^\\s*${name}\\s*=\\s*(\\S+)\\s*$`, 'm').exec(readFileSync(path, 'utf8'));
  return line?.[1];
}

function checked(text: string, what: string): string {
  if (URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)) return text.replace(/\/+$/, '');
  throw new ParaError('settings', `The ${what} is not an http or https URL`, { where: text });
}

/** A URL as it may be shown: without a password. */
export function shownUrl(url: string): string {
  const address = new URL(url);
  if (address.password) address.password = '***';
  return address.href.replace(/\/$/, '');
}

/** Address of a package of npm: registries and their mirrors lay it out alike. */
export const npmUrl = ({ name, file }: { name: string; file: string }, registries: Registries): string =>
  `${registries.npm}/${name}/-/${file}`;

/** A registry that cannot be reached from this machine, as opposed to one that refuses a file. */
export class Unreachable extends Error {
  override readonly name = 'Unreachable';
}

/** What kept a host from answering. */
export const unreachable = (url: string, cause: unknown): Unreachable =>
  cause instanceof Unreachable ? cause : new Unreachable(`${new URL(url).host}: ${reason(cause)}`, { cause });

/**
 * Asks a registry; a name and password in its address go into a header.
 * @throws Unreachable
 */
export async function ask(
  url: string,
  { proxy }: Registries,
  headers: Readonly<Record<string, string>>,
): Promise<Fetched> {
  const address = new URL(url);
  const { origin, username, password } = address;
  Object.assign(address, { username: '', password: '' });
  const pair = Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`);
  const login = username ? { origin, authorization: `Basic ${pair.toString('base64')}` } : undefined;
  try {
    return await get(address, { headers, login, proxy });
  } catch (cause) {
    throw unreachable(url, cause);
  }
}

/** Where a registry keeps a file; a wheel's address is looked up in the index. @throws Unreachable, ParaError `host` */
export async function registryUrl(file: RegistryFile, registries: Registries): Promise<string> {
  if (file.registry === 'npm') return npmUrl(file, registries);
  const index = `${registries.pypi}/${file.name}/`;
  const accept = 'application/vnd.pypi.simple.v1+json, text/html;q=0.5';
  const answer = await ask(index, registries, { accept });
  const text = await textOf(answer);
  const isJson = answer.headers['content-type']?.includes('json');
  const found =
    answer.status !== 200 ? undefined : isJson ? fileIn(file.file, text) : linkTo(file.file, text);
  if (!found)
    throw new ParaError('host', 'The PyPI index does not have a file', {
      where: `${shownUrl(index)}: ${file.file} (HTTP ${answer.status})`,
      hint: 'name another index: --pypi',
    });
  return withLogin(new URL(found, answer.url), registries.pypi);
}

/** The address of `file` in an index that answers in JSON. */
const fileIn = (file: string, text: string): string | undefined =>
  (JSON.parse(text) as { files: { filename: string; url: string }[] }).files.find(
    ({ filename }) => filename === file,
  )?.url;

/** The target of the link to `file` in a page of an index. */
function linkTo(file: string, page: string): string | undefined {
  for (const [, target] of page.matchAll(/<a\s[^>]*href\s*=\s*["']([^"']+)["']/gi)) {
    const [path] = target!.replaceAll('&amp;', '&').split('#');
    if (decodeURIComponent(path!.split('/').at(-1)!) === file) return path;
  }
  return undefined;
}

/** A file of the index's own machine is asked for with the login of the index. */
function withLogin(address: URL, index: string): string {
  const { host, username, password } = new URL(index);
  if (address.host === host && !address.username) Object.assign(address, { username, password });
  address.hash = '';
  return address.href;
}
