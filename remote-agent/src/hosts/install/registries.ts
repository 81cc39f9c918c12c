import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Dispatcher } from 'undici';
import { ParaError } from '../../common/errors.ts';
import { get } from './http.ts';
import type { Registries, RegistryFile } from './request.ts';

/** What a user says on the command line about registries. */
export interface RegistryOptions {
  readonly npmRegistry?: string;
  readonly pypi?: string;
  readonly proxy?: string;
}

const publicNpm = 'https://registry.npmjs.org';
const publicPypi = 'https://pypi.org/simple';

/**
 * The registries to use: as said, else as npm and pip are configured for this user, else the public ones.
 * @throws ParaError `settings` for what is no URL
 */
export function findRegistries(options: RegistryOptions, env = process.env, home = homedir()): Registries {
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

/** Where a registry keeps a file; a wheel's address is looked up in the index. */
export async function registryUrl(
  file: RegistryFile,
  registries: Registries,
  dispatcher: Dispatcher,
): Promise<string> {
  if (file.registry === 'npm') return npmUrl(file, registries);
  const index = `${registries.pypi}/${file.name}/`;
  const accept = 'application/vnd.pypi.simple.v1+json, text/html;q=0.5';
  const answer = await get(index, { accept }, dispatcher);
  const text = answer.ok ? await answer.text() : '';
  const found = answer.headers.get('content-type')?.includes('json')
    ? (JSON.parse(text) as { files: { filename: string; url: string }[] }).files.find(
        (entry) => entry.filename === file.file,
      )?.url
    : linkTo(file.file, text);
  if (!found)
    throw new ParaError('host', 'The PyPI index does not have a file', {
      where: `${shownUrl(index)}: ${file.file} (HTTP ${answer.status})`,
      hint: 'name another index: --pypi',
    });
  return withLogin(new URL(found, answer.url), registries.pypi);
}

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
