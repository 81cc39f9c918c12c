// A registry for tests: packages of this checkout over HTTP, with ranges, and with everything that goes wrong on a way.
import { createHash } from 'node:crypto';
import { createReadStream, readFileSync, statSync } from 'node:fs';
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { basename } from 'node:path';

/** One request for a file. */
export interface Asked {
  readonly file: string;
  readonly from: number;
  /** Bytes handed to the way. */
  sent: number;
}

export class Registry {
  readonly asked: Asked[] = [];
  /** Ends every answer after so many bytes, as a bad way does; 0: never. */
  cutAfter = 0;
  /** Bytes a second of each answer; 0: as fast as it goes. */
  rate = 0;
  /** Gives other bytes for files whose name this fits. */
  damage: RegExp | undefined;
  readonly #server: Server;
  readonly #files: ReadonlyMap<string, string>;

  private constructor(files: ReadonlyMap<string, string>) {
    this.#files = files;
    this.#server = createServer((request, response) => {
      this.#answer(request, response).catch(() => response.destroy());
    });
  }

  /** @param files paths of the files it serves, by their names */
  static async start(files: ReadonlyMap<string, string>): Promise<Registry> {
    const registry = new Registry(files);
    await new Promise<void>((resolve) => registry.#server.listen(0, '127.0.0.1', resolve));
    return registry;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const name = basename(new URL(request.url ?? '/', this.url).pathname);
    const path = this.#files.get(name);
    if (path === undefined) return void response.writeHead(404).end();
    const { size } = statSync(path);
    const from = Number(/^bytes=([0-9]+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
    const range = from > 0 ? { 'content-range': `bytes ${from}-${size - 1}/${size}` } : {};
    response.writeHead(from > 0 ? 206 : 200, { 'content-length': size - from, ...range });
    if (request.method === 'HEAD') return void response.end();
    const asked: Asked = { file: name, from, sent: 0 };
    this.asked.push(asked);
    for await (const part of createReadStream(path, { start: from, highWaterMark: 1 << 16 })) {
      const bytes = this.damage?.test(name) ? Buffer.alloc((part as Buffer).length) : (part as Buffer);
      await new Promise<void>((resolve) => response.write(bytes, () => resolve()));
      if (response.destroyed) return;
      asked.sent += bytes.length;
      if (this.cutAfter > 0 && asked.sent >= this.cutAfter) return void response.destroy();
      if (this.rate > 0) await new Promise((go) => setTimeout(go, (bytes.length / this.rate) * 1000));
    }
    response.end();
  }

  /** How often each file was asked for. */
  counts(): Record<string, number> {
    const counts: Record<string, number> = {};
    for (const { file } of this.asked) counts[file] = (counts[file] ?? 0) + 1;
    return counts;
  }

  stop(): Promise<void> {
    this.#server.closeAllConnections();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }
}

/** A proxy that only passes on, and counts for whom. */
export class PassingProxy {
  readonly targets: string[] = [];
  readonly #server = createServer();

  static async start(): Promise<PassingProxy> {
    const proxy = new PassingProxy();
    proxy.#server.on('connect', (asked, socket, head) => {
      proxy.targets.push(asked.url ?? '');
      const [host, port] = (asked.url ?? '').split(':');
      const onward = connect(Number(port), host, () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n');
        onward.write(head);
        onward.pipe(socket).pipe(onward);
      });
      for (const end of [onward, socket]) {
        end.on('error', () => {});
        end.on('close', () => {
          onward.destroy();
          socket.destroy();
        });
      }
    });
    // Plain HTTP is not tunnelled by every client: the whole address then stands in the request.
    proxy.#server.on('request', (asked, response) => {
      proxy.targets.push(new URL(asked.url ?? '').host);
      const { method, headers } = asked;
      const onward = request(asked.url ?? '', { method, headers }, (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.on('error', () => response.destroy());
        answer.pipe(response);
      });
      onward.on('error', () => response.destroy());
      onward.end();
    });
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

/** Size and hash of a file, as a lock has them. */
export const described = (path: string, algorithm = 'sha512') => ({
  size: statSync(path).size,
  hash: `${algorithm}-${createHash(algorithm).update(readFileSync(path)).digest('hex')}`,
});
