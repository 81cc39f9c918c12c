// A TCP link to a port of this machine that breaks as told: cut, stalled, or dead without a word to either end.
import { connect, createServer, type Server, type Socket } from 'node:net';

interface Pair {
  readonly near: Socket;
  readonly far: Socket;
  dead: boolean;
}

export class FaultyLink {
  readonly #pairs = new Set<Pair>();
  #stalled = false;

  private constructor(
    readonly server: Server,
    readonly port: number,
  ) {}

  /** Listens on a free port of 127.0.0.1 and leads to `target` there. */
  static async open(target: number): Promise<FaultyLink> {
    let link: FaultyLink;
    const server = createServer((near) => link.#join(near, target));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    link = new FaultyLink(server, (server.address() as { port: number }).port);
    return link;
  }

  #join(near: Socket, target: number): void {
    const far = connect({ host: '127.0.0.1', port: target });
    const pair: Pair = { near, far, dead: false };
    this.#pairs.add(pair);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      from.on('data', (part) => {
        if (!pair.dead && !to.write(part)) from.pause();
      });
      to.on('drain', () => {
        if (!this.#stalled) from.resume();
      });
      from.on('error', () => {});
      from.on('close', () => {
        if (pair.dead) return;
        this.#pairs.delete(pair);
        to.destroy();
      });
    }
    if (this.#stalled) this.#hold(pair, true);
  }

  #hold({ near, far }: Pair, held: boolean): void {
    for (const socket of [near, far]) held ? socket.pause() : socket.resume();
  }

  /** Connections that are up. */
  get up(): number {
    return [...this.#pairs].filter((pair) => !pair.dead).length;
  }

  /** Ends every connection with a reset. */
  cut(): void {
    for (const { near, far } of this.#pairs) {
      near.resetAndDestroy();
      far.resetAndDestroy();
    }
  }

  /** Nothing passes for so long; nothing is lost. */
  async stall(ms: number): Promise<void> {
    this.#stalled = true;
    for (const pair of this.#pairs) this.#hold(pair, true);
    await new Promise((resume) => setTimeout(resume, ms));
    this.#stalled = false;
    for (const pair of this.#pairs) this.#hold(pair, false);
  }

  /** What is up carries nothing from now on, and neither end hears of it; new connections work. */
  deaden(): void {
    for (const pair of this.#pairs) pair.dead = true;
  }

  /** The dead connections are found out. */
  bury(): void {
    for (const pair of this.#pairs) {
      if (!pair.dead) continue;
      pair.near.destroy();
      pair.far.destroy();
      this.#pairs.delete(pair);
    }
  }

  async close(): Promise<void> {
    this.cut();
    this.bury();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
