import { type Dispatcher, EnvHttpProxyAgent, fetch } from 'undici';
import { authorities } from '../../common/authorities.ts';

/** A registry that cannot be reached from this machine, as opposed to one that refuses a file. */
export class Unreachable extends Error {
  override readonly name = 'Unreachable';
}

/** The way out: proxies of the environment (HTTP_PROXY, HTTPS_PROXY, NO_PROXY), or the one given. */
export function wayOut(proxy?: string): Dispatcher {
  const tls = { ca: authorities() };
  const options = {
    ...(proxy ? { httpProxy: proxy, httpsProxy: proxy } : {}),
    connect: { timeout: 10_000, ...tls },
    // The same for what goes through a proxy: to it, and through it.
    proxyTls: tls,
    requestTls: tls,
    headersTimeout: 60_000,
    bodyTimeout: 60_000,
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

/** Asks for a URL; a name and password in it go into a header, as `fetch` wants it. */
export async function get(url: string, headers: Record<string, string>, dispatcher: Dispatcher) {
  const address = new URL(url);
  const { username, password } = address;
  address.username = '';
  address.password = '';
  const auth = Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`);
  try {
    return await fetch(address, {
      headers: { ...headers, ...(username ? { authorization: `Basic ${auth.toString('base64')}` } : {}) },
      dispatcher,
    });
  } catch (cause) {
    throw new Unreachable(`${address.host}: ${reason(cause)}`, { cause });
  }
}

/** What stopped a request, in a word or a sentence. */
export const reason = (cause: unknown): string => {
  const inner = cause instanceof Error && cause.cause ? cause.cause : cause;
  const { code, message } = inner as { code?: string; message?: string };
  return code ?? message ?? String(inner);
};
