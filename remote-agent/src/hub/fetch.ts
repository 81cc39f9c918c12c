import { type DownloadOptions, download as downloadFrom } from '../common/download.ts';
import { ParaError } from '../common/errors.ts';
import { type Fetched, get as getAddress, reason, shownAddress } from '../common/http.ts';
import { safeUrl } from './source.ts';

/** A token and the one origin that may see it. */
export interface Credential {
  readonly token: string;
  readonly origin: string;
}

/** By whom, and for how long, something is asked for. */
export interface Asking {
  readonly credential?: Credential | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * GETs an address; from https nothing leads back to http.
 * @throws ParaError `download`, `settings` for where it leads; what the connection throws otherwise
 */
export function get(
  address: URL,
  { credential, signal }: Asking,
  headers: Readonly<Record<string, string>> = {},
): Promise<Fetched> {
  const login = credential && { origin: credential.origin, authorization: `Bearer ${credential.token}` };
  return getAddress(address, { headers, login, signal, follow });
}

function follow(location: string, from: URL): URL {
  const next = safeUrl(location, from);
  if (from.protocol === 'https:' && next.protocol !== 'https:')
    throw new ParaError('download', 'The server leads from https to http, which is not followed', {
      where: shownAddress(from),
    });
  return next;
}

/** Repetitions without a single new byte after which a download is given up. */
const mostRepeats = 8;

/** Downloads a file of a hub or of an address. @throws ParaError `download`, `disk`, `cancelled` */
export function download(
  address: URL,
  target: string,
  options: DownloadOptions & Asking = {},
): Promise<void> {
  const where = shownAddress(address);
  return downloadFrom(
    {
      get: (headers) => get(address, options, headers),
      refusal: ({ status, url }) => refusal(status, url, options.credential !== undefined),
      damaged: (what) =>
        new ParaError('download', what, {
          where,
          hint: 'try again later; if it stays, the copy on the server is damaged',
        }),
      giveUp: (cause, { repeats, bytes }) =>
        repeats > mostRepeats
          ? new ParaError('download', 'The download is cut off again and again', {
              where,
              hint: `it goes on from byte ${bytes} when it is repeated (${reason(cause)})`,
            })
          : undefined,
    },
    target,
    options,
  );
}

/** What an answer that is no success means, for those that repeating does not mend; `undefined` for the others. */
export function refusal(status: number, url: URL, hasToken: boolean): ParaError | undefined {
  const where = shownAddress(url);
  if (status === 401 || status === 403)
    return new ParaError('download', `The server refuses access (${status})`, {
      where,
      hint: hasToken
        ? 'the token is wrong or does not reach this model; was its licence agreed to?'
        : 'it needs a token: set PARA_HUB_TOKEN to one that may read it',
    });
  if (status === 404 || status === 410)
    return new ParaError('download', `The server has nothing there (${status})`, {
      where,
      hint: 'check owner, name and revision; private models need a token',
    });
  if (status === 408 || status === 429 || status >= 500) return undefined;
  return new ParaError('download', `The server answers with ${status}`, { where });
}
