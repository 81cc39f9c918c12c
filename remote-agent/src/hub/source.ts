import { existsSync } from 'node:fs';
import { ParaError } from '../common/errors.ts';
import { shownAddress } from '../common/http.ts';

/** Where a base is fetched from. */
export type RemoteSource =
  | {
      readonly kind: 'hub';
      /** `owner/name` */
      readonly repository: string;
      readonly revision?: string;
      readonly endpoint?: string;
      readonly token?: string;
      /** A checkpoint in one file; else the repository's base is looked for. */
      readonly file?: string;
    }
  | { readonly kind: 'url'; readonly url: string; readonly sha256?: string; readonly token?: string };

const repository = /^[A-Za-z0-9][A-Za-z0-9._-]{0,95}\/[A-Za-z0-9][A-Za-z0-9._-]{0,95}$/;
const archive = /\.(zip|tar|tar\.gz|tgz)$/i;
const checkpoint = /\.safetensors$/i;
/** A file of a model, as hubs show and serve it. */
const fileOfModel = /^\/([^/]+\/[^/]+)\/(?:blob|resolve)\/([^/]+)\/(.+)$/;

/** Whether a checkpoint in one file lies at an address, rather than an archive. */
export const isCheckpointAddress = ({ pathname }: URL): boolean => checkpoint.test(pathname);

const publicHub = 'https://huggingface.co';

/** Where models are looked for by `owner/name`. */
export const usualEndpoint = (): string =>
  process.env.PARA_HUB_ENDPOINT || process.env.HF_ENDPOINT || publicHub;

/**
 * The token of the environment for a hub. `PARA_HUB_TOKEN` is for the usual hub, or one that was chosen by name;
 * `HF_TOKEN` for the hub it was made for. A hub that only an address names gets none.
 * @param chosen whether the person chose this hub
 */
export function tokenFor(endpoint: string, chosen: boolean): string | undefined {
  const { PARA_HUB_TOKEN: own, HF_TOKEN: theirs, HF_ENDPOINT: theirHub } = process.env;
  const { origin } = safeUrl(endpoint);
  if (own && (chosen || origin === safeUrl(usualEndpoint()).origin)) return own;
  return theirs && origin === safeUrl(theirHub || publicHub).origin ? theirs : undefined;
}

/**
 * Reads what was typed as the place of a base: the address of an archive or checkpoint, the page of a model or of its
 * file, or `owner/name` where no folder of that name is here.
 * @returns `undefined` for a path
 * @throws ParaError `settings` for an address that is none of these
 */
export function parseRemote(text: string): RemoteSource | undefined {
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(text))
    return repository.test(text) && !existsSync(text) ? { kind: 'hub', repository: text } : undefined;
  const url = safeUrl(text);
  const [, owned, revision, file] = (isCheckpointAddress(url) && fileOfModel.exec(url.pathname)) || [];
  if (owned !== undefined && repository.test(owned)) {
    const [at, path] = [decoded(revision!), decoded(file!)];
    return { kind: 'hub', repository: owned, endpoint: url.origin, revision: at, file: path };
  }
  if (archive.test(url.pathname) || isCheckpointAddress(url)) {
    const sha256 = /^#sha256=([0-9a-f]{64})$/.exec(url.hash)?.[1];
    url.hash = '';
    return { kind: 'url', url: url.href, ...(sha256 ? { sha256 } : {}) };
  }
  const page = url.pathname.replace(/^\//, '').replace(/\/$/, '');
  if (repository.test(page)) return { kind: 'hub', repository: page, endpoint: url.origin };
  throw new ParaError('settings', 'This address is no checkpoint, no archive and no page of a model', {
    where: shownAddress(url),
    hint: 'give a .safetensors file, a .zip, .tar or .tar.gz of a base, or https://HUB/OWNER/NAME',
  });
}

/** What an address that is given as it was typed means: the page of a model, or of its file, is a place on a hub. */
export function understood(source: RemoteSource): RemoteSource {
  if (source.kind === 'hub') return source;
  const { url, ...given } = source;
  const { token } = given;
  const read = parseRemote(url)!;
  return read.kind === 'hub' ? { ...read, ...(token ? { token } : {}) } : { ...read, ...given };
}

/** A part of an address as it is read; as it stands where it is no such code. */
export function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The name a base gets where none is given. */
export function nameOf(source: RemoteSource): string {
  const path =
    source.kind === 'hub' ? (source.file ?? source.repository) : decoded(new URL(source.url).pathname);
  const last = path.split('/').at(-1)!.replace(archive, '').replace(checkpoint, '');
  return last.replace(/[^A-Za-z0-9._-]+/g, '-').replace(/^[^A-Za-z0-9]+/, '') || 'base';
}

const loopback = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;

/**
 * An address that may be fetched: https, or http of this machine itself.
 * @throws ParaError `settings`; the message holds no part of the address that could be a secret
 */
export function safeUrl(text: string | URL, base?: URL): URL {
  const fail = (what: string, hint: string, where?: string) =>
    new ParaError('settings', what, { hint, ...(where ? { where } : {}) });
  let url: URL;
  try {
    url = new URL(text, base);
  } catch {
    throw fail('This is no address', 'write https://...');
  }
  if (url.username || url.password)
    throw fail('An address may hold no user name and password', 'give a token instead', shownAddress(url));
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && loopback.test(url.hostname)))
    throw fail('Only https addresses are fetched', 'write https://...', shownAddress(url));
  return url;
}
