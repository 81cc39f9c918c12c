// A TCP link to a port of this machine as it is between far places: late, narrow, stalled, cut, or half open.
import { connect, createServer, type Server, type Socket } from 'node:net';
import { Transform } from 'node:stream';

export interface LinkSettings {
  /** One way, in ms. */
  readonly delayMs?: number;
  /** Each way. */
  readonly bytesPerSecond?: number;
}

/** Gives each chunk on when its time has come: after the delay, and after those before it at the link's width. */
class LateBytes extends Transform {
  /** When the link has room for the next chunk. */
  #free = 0;
  readonly #underWay: { readonly chunk: Buffer; readonly due: number }[] = [];
  #timer: NodeJS.Timeout | undefined;
  #ended: (() => void) | undefined;

  constructor(readonly link: SlowLink) {
    // As much as is on its way at once on a long fat link.
    super({ highWaterMark: 4 << 20 });
  }

  override _transform(chunk: Buffer, _encoding: string, done: () => void): void {
    const { delayMs = 0, bytesPerSecond = Number.POSITIVE_INFINITY } = this.link.settings;
    const now = performance.now();
    this.#free = Math.max(now, this.#free) + (1000 * chunk.length) / bytesPerSecond;
    this.#underWay.push({ chunk, due: this.#free + delayMs });
    this.#arrive();
    // The next waits for the width, not for this one's delay.
    setTimeout(done, this.#free - now);
  }

  /** Gives on what is due, in order, and looks again when the next is. */
  #arrive(): void {
    clearTimeout(this.#timer);
    if (this.destroyed) return;
    const now = performance.now();
    for (let [next] = this.#underWay; next; [next] = this.#underWay) {
      const wait = Math.max(next.due, this.link.stalledUntil) - now;
      if (wait > 0) {
        this.#timer = setTimeout(() => this.#arrive(), Math.ceil(wait));
        return;
      }
      this.#underWay.shift();
      if (!this.link.halfOpen) this.push(next.chunk);
    }
    this.#ended?.();
  }

  override _flush(done: () => void): void {
    this.#ended = done;
    this.#arrive();
  }
}

export class SlowLink {
  stalledUntil = 0;
  halfOpen = false;
  readonly #sockets = new Set<Socket>();

  private constructor(
    readonly server: Server,
    readonly settings: LinkSettings,
    readonly port: number,
  ) {}

  /** Listens on a free port of 127.0.0.1 and leads to `target` there. */
  static async open(target: number, settings: LinkSettings = {}): Promise<SlowLink> {
    let link: SlowLink;
    const server = createServer({ noDelay: true }, (near) => {
      const far = connect({ host: '127.0.0.1', port: target, noDelay: true });
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        link.#sockets.add(from);
        from.on('error', () => to.destroy());
        from.on('close', () => {
          link.#sockets.delete(from);
          to.destroy();
        });
        from.pipe(new LateBytes(link)).pipe(to);
      }
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    link = new SlowLink(server, settings, (server.address() as { port: number }).port);
    return link;
  }

  /** Nothing passes for so long; nothing is lost. */
  stall(ms: number): void {
    this.stalledUntil = performance.now() + ms;
  }

  /** Ends every connection. */
  cut(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  /** From now on nothing passes and nobody is told: as a cable pulled in between, or a laptop asleep. */
  breakSilently(): void {
    this.halfOpen = true;
  }

  /** New connections pass again; those that were broken stay so until they are cut. */
  async mend(): Promise<void> {
    this.cut();
    this.halfOpen = false;
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
