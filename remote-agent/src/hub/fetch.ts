import type { Dispatcher } from 'undici';
import { authorities } from '../common/authorities.ts';
import { ParaError } from '../common/errors.ts';
import { safeUrl, shown } from './source.ts';

/** Time without a byte after which a connection counts as cut, in ms. */
const silence = 60_000;
const mostRedirects = 8;
/**
 * Bytes of an answer that wait unread at most. A body that is made to wait while its server closes the connection ends
 * this release of the library with an assertion that nobody can catch (nodejs/undici#5360): readers take bytes as they
 * come, and this is never reached.
 */
const unread = 64 << 20;

/** Loaded when something is fetched: most commands of a bundle never do. */
const library = () => import('undici');

let dispatcher: Dispatcher | undefined;

/** Proxies as the environment sets them (HTTPS_PROXY, NO_PROXY and the like). */
async function usualDispatcher(): Promise<Dispatcher> {
  if (dispatcher) return dispatcher;
  const { Agent, EnvHttpProxyAgent } = await library();
  const tls = { ca: authorities() };
  const limits = { headersTimeout: silence, bodyTimeout: silence, connect: { timeout: 30_000, ...tls } };
  // To a proxy, and through it.
  const proxy = { ...limits, proxyTls: tls, requestTls: tls };
  const proxied = ['http_proxy', 'https_proxy'].some((n) => process.env[n] || process.env[n.toUpperCase()]);
  dispatcher = proxied ? new EnvHttpProxyAgent(proxy) : new Agent(limits);
  return dispatcher;
}

/** A token and the one origin that may see it. */
export interface Credential {
  readonly token: string;
  readonly origin: string;
}

export interface Fetched {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: Dispatcher.ResponseData['body'];
  /** Where the redirects led. */
  readonly url: URL;
}

/**
 * GETs an address and follows redirects. The token goes to its own origin alone, and from https nothing leads back to
 * http.
 * @throws ParaError `download` for refusals that repeating does not mend; what the connection throws otherwise
 */
export async function get(
  address: URL,
  options: {
    readonly headers?: Readonly<Record<string, string>>;
    readonly credential?: Credential | undefined;
    readonly signal?: AbortSignal | undefined;
  } = {},
): Promise<Fetched> {
  const { headers = {}, credential, signal } = options;
  const { request } = await library();
  const dispatcher = await usualDispatcher();
  let url = address;
  for (let hop = 0; hop <= mostRedirects; hop++) {
    const known = credential && url.origin === credential.origin;
    const response = await request(url, {
      dispatcher,
      highWaterMark: unread,
      headers: {
        'user-agent': 'para-studio',
        ...headers,
        ...(known ? { authorization: `Bearer ${credential.token}` } : {}),
      },
      ...(signal ? { signal } : {}),
    });
    // A connection may break before anybody reads: the reader is told then.
    response.body.on('error', () => {});
    const plain = Object.fromEntries(
      Object.entries(response.headers).map(([name, value]) => [
        name,
        Array.isArray(value) ? value[0] : value,
      ]),
    );
    const { location } = plain;
    if (![301, 302, 303, 307, 308].includes(response.statusCode) || location === undefined)
      return { status: response.statusCode, headers: plain, body: response.body, url };
    await response.body.dump();
    const next = safeUrl(location, url);
    if (url.protocol === 'https:' && next.protocol !== 'https:')
      throw new ParaError('download', 'The server leads from https to http, which is not followed', {
        where: shown(url),
      });
    url = next;
  }
  throw new ParaError('download', 'The server leads from one address to the next without end', {
    where: shown(address),
  });
}

/** What an answer that is no success means, for those that repeating does not mend; `undefined` for the others. */
export function refusal(status: number, url: URL, hasToken: boolean): ParaError | undefined {
  const where = shown(url);
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
