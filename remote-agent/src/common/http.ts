import type { Dispatcher } from 'undici';
import { authorities } from './authorities.ts';
import { ParaError } from './errors.ts';

/** Time without a byte after which a connection counts as cut, in ms. */
const silence = 60_000;
const mostRedirects = 8;
/**
 * Bytes of an answer that wait unread at most. A body that is made to wait while its server closes the connection ends
 * this release of the library with an assertion that nobody can catch (nodejs/undici#5360): readers take bytes as they
 * come, and this is never reached.
 */
const unread = 64 << 20;
/** Longest answer that is read as text, in bytes. */
const longestText = 32 << 20;

/** Loaded when something is fetched: most commands of a bundle never do. */
const library = () => import('undici');

const waysOut = new Map<string | undefined, Promise<Dispatcher>>();

/** The way out: proxies of the environment (HTTP_PROXY, HTTPS_PROXY, NO_PROXY), or the one given. */
function wayOut(proxy: string | undefined): Promise<Dispatcher> {
  const way = waysOut.get(proxy) ?? makeWayOut(proxy);
  waysOut.set(proxy, way);
  return way;
}

async function makeWayOut(proxy: string | undefined): Promise<Dispatcher> {
  const { EnvHttpProxyAgent } = await library();
  const tls = { ca: authorities() };
  const options = {
    ...(proxy ? { httpProxy: proxy, httpsProxy: proxy } : {}),
    connect: { timeout: 10_000, ...tls },
    // The same for what goes through a proxy: to it, and through it.
    proxyTls: tls,
    requestTls: tls,
    headersTimeout: silence,
    bodyTimeout: silence,
  };
  const { emitWarning } = process;
  // The library warns once that this class is new to it: nothing a user could do about.
  process.emitWarning = () => {};
  try {
    return new EnvHttpProxyAgent(options);
  } finally {
    process.emitWarning = emitWarning;
  }
}

/** What proves who asks, and the one origin that may see it. */
export interface Login {
  readonly origin: string;
  readonly authorization: string;
}

export interface GetOptions {
  readonly headers?: Readonly<Record<string, string>>;
  readonly login?: Login | undefined;
  /** Address of a proxy, instead of those of the environment. */
  readonly proxy?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** The address a redirect leads to; throws where it may not be followed. */
  readonly follow?: (location: string, from: URL) => URL;
}

export interface Fetched {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: Dispatcher.ResponseData['body'];
  /** Where the redirects led. */
  readonly url: URL;
}

/** An address for messages: without login, query and fragment, which may be secret. */
export const shownAddress = (url: URL): string => `${url.origin}${url.pathname}`;

/**
 * GETs an address and follows redirects; a login goes to its own origin alone.
 * @throws ParaError `download` for redirects without end; what `follow` and the connection throw
 */
export async function get(address: URL, options: GetOptions = {}): Promise<Fetched> {
  const { headers, login, proxy, signal, follow = (location, from) => new URL(location, from) } = options;
  const { request } = await library();
  const dispatcher = await wayOut(proxy);
  let url = address;
  for (let hop = 0; hop <= mostRedirects; hop++) {
    const response = await request(url, {
      dispatcher,
      highWaterMark: unread,
      headers: {
        'user-agent': 'para-studio',
        'accept-encoding': 'identity',
        ...headers,
        ...(url.origin === login?.origin ? { authorization: login.authorization } : {}),
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
    url = follow(location, url);
  }
  throw new ParaError('download', 'The server leads from one address to the next without end', {
    where: shownAddress(address),
  });
}

/** The text of an answer. @throws ParaError `download` where it is too long */
export async function textOf({ body, url }: Fetched): Promise<string> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of body as AsyncIterable<Buffer>) {
    parts.push(part);
    length += part.length;
    if (length > longestText)
      throw new ParaError('download', 'The answer of the server is too long', { where: shownAddress(url) });
  }
  return Buffer.concat(parts).toString('utf8');
}

/** What stopped a request, in a word or a sentence; addresses in it are left out, since they may be signed. */
export function reason(cause: unknown): string {
  const inner = cause instanceof Error && cause.cause ? cause.cause : cause;
  const { code, message } = inner as { code?: string; message?: string };
  return (code ?? message ?? String(inner)).replace(/https?:\S+/g, '').slice(0, 200);
}
