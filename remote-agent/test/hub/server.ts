// A hub of models on this machine, and the storage that it leads to, with the faults that networks and servers have.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join, relative } from 'node:path';

export interface Seen {
  readonly path: string;
  readonly range: string | undefined;
  readonly authorization: string | undefined;
}

/** Files of a folder by path. */
export function filesOf(folder: string): Map<string, Buffer> {
  const found = new Map<string, Buffer>();
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    const path = join(folder, name);
    if (statSync(path).isFile()) found.set(relative(folder, path), readFileSync(path));
  }
  return found;
}

/** Whether the hub keeps a file outside its repository, with a hash of its own kind. */
const isLarge = (file: string) => /\.(onnx|safetensors)$/.test(file);

export const commit = 'c'.repeat(40);

/** One origin: serves `files` under `/owner/name/resolve/COMMIT/`, lists them, and does what its faults say. */
export class HubServer {
  readonly seen: Seen[] = [];
  readonly files: Map<string, Buffer>;
  /** Answers without this token are refused. */
  token: string | undefined;
  /** Bytes after which a connection is cut, for so many answers. */
  cuts: number[] = [];
  /** Large files come from this other origin. */
  storage: HubServer | undefined;
  /** Answers ranges with the whole file. */
  withoutRanges = false;
  /** Closes the connection after each answer, as old servers and proxies do. */
  closing = false;
  /** Status codes that come before any answer to a file. */
  stumbles: number[] = [];
  /** Part of the tag of every file: another value stands for another file under the same name. */
  version = '1';
  readonly #server: Server;

  constructor(files: Map<string, Buffer>) {
    this.files = files;
    this.#server = createServer((request, response) => this.#answer(request, response));
  }

  async start(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return this;
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url!, this.origin);
    const { range, authorization } = request.headers;
    this.seen.push({ path: url.pathname, range, authorization });
    if (this.token !== undefined && authorization !== `Bearer ${this.token}`) {
      response.writeHead(401).end('no');
      return;
    }
    if (url.pathname.startsWith('/api/models/owner/name')) {
      this.#list(response);
      return;
    }
    const file = decodeURIComponent(url.pathname.replace(/^\/(owner\/name\/resolve\/[^/]+\/|stored\/)/, ''));
    const bytes = this.files.get(file);
    if (!bytes) {
      response.writeHead(404).end('nothing');
      return;
    }
    const stumble = this.stumbles.shift();
    if (stumble !== undefined) {
      response.writeHead(stumble).end('later');
      return;
    }
    if (this.storage && isLarge(file)) {
      response.writeHead(302, { location: `${this.storage.origin}/stored/${file}?signature=secret` }).end();
      return;
    }
    this.#send(bytes, request, response);
  }

  #list(response: ServerResponse): void {
    const siblings = [...this.files].map(([rfilename, bytes]) => ({
      rfilename,
      size: bytes.length,
      blobId: createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex'),
      ...(isLarge(rfilename)
        ? { lfs: { sha256: createHash('sha256').update(bytes).digest('hex'), size: bytes.length } }
        : {}),
    }));
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ id: 'owner/name', sha: commit, siblings }));
  }

  #send(bytes: Buffer, request: IncomingMessage, response: ServerResponse): void {
    const etag = `"${this.version}-${bytes.length}"`;
    const { range } = request.headers;
    const condition = request.headers['if-range'];
    const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(range ?? '') ?? [];
    const start = Number(from ?? 0);
    const end = to ? Math.min(Number(to) + 1, bytes.length) : bytes.length;
    const isPart = start > 0 || end < bytes.length;
    const partial = isPart && !this.withoutRanges && (condition === undefined || condition === etag);
    if (partial && start >= bytes.length) {
      response.writeHead(416, { 'content-range': `bytes */${bytes.length}` }).end();
      return;
    }
    const body = partial ? bytes.subarray(start, end) : bytes;
    response.writeHead(partial ? 206 : 200, {
      etag,
      'content-length': body.length,
      ...(this.closing ? { connection: 'close' } : {}),
      ...(partial ? { 'content-range': `bytes ${start}-${end - 1}/${bytes.length}` } : {}),
    });
    const cut = body.length > (this.cuts[0] ?? Number.POSITIVE_INFINITY) ? this.cuts.shift() : undefined;
    if (cut === undefined) response.end(body);
    else response.write(body.subarray(0, cut), () => setTimeout(() => request.socket.destroy(), 30));
  }
}
