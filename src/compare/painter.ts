import type { HostSession } from '../../remote-agent/src/hosts/session.ts';
import type {
  AdapterSource,
  DrawRequest,
  GenerationProgress,
} from '../../remote-agent/src/protocol/contract/generation.ts';
import { isResult } from '../adapters/library.ts';
import { bringBase } from '../hosts/known-bases.ts';
import type { Drawing, Place } from './model.ts';

export interface PaintHooks {
  readonly signal: AbortSignal;
  /** A preview after so many steps; none where it is 0. */
  readonly previewEvery: number;
  onProgress(progress: GenerationProgress['progress']): void;
  onPreview(png: Uint8Array, step: number): void;
}

type Adapters = Drawing['adapters'];

/** The device that a host is to draw on. */
export type DeviceOn = (host: string, session: HostSession) => Promise<DrawRequest['device']>;

/** Draws on hosts; adapters are where they are needed before. */
export class Painter {
  readonly #placed = new WeakMap<HostSession, Map<string, Promise<AdapterSource>>>();

  /**
   * @param session opens the connection to a host, or gives the one there is
   * @param lane pictures of one painter: the host drops one for the next
   * @param deviceOn what a host is to draw on; where it gives nothing, the host chooses
   * @param onBases is told the names of the bases that a host has
   */
  constructor(
    readonly session: (host: string) => Promise<HostSession>,
    readonly lane: string,
    readonly deviceOn: DeviceOn = async () => undefined,
    readonly onBases: (host: string, names: readonly string[]) => unknown = () => {},
  ) {}

  /** What a host's base is. @throws ParaError `base` where there is none of this name, `host` */
  async place({ host, base }: Place): Promise<Place> {
    const { findAmong, listHostBases } = await import('../../remote-agent/src/hosts/remote-bases.ts');
    const listed = await listHostBases(await this.session(host));
    this.onBases(
      host,
      listed.map(({ name }) => name),
    );
    const { hash, width, height } = findAmong(listed, host, bringBase())(base);
    return {
      ...{ host, base, baseHash: hash },
      ...(width === undefined ? {} : { width }),
      ...(height === undefined ? {} : { height }),
    };
  }

  /**
   * Draws one picture.
   * @param beside adapters that are drawn with as well: all of it shares what the host has loaded
   * @returns the PNG file, its recipe in it
   * @throws ParaError `base`, `adapter`, `settings`, `device`, `host`, `cancelled`
   */
  async draw(drawing: Drawing, beside: readonly Adapters[], hooks: PaintHooks): Promise<Uint8Array> {
    const { place, prompt, settings, adapters } = drawing;
    const { generateOnHost } = await import('../../remote-agent/src/hosts/remote-generation.ts');
    const session = await this.session(place.host);
    const device = await this.deviceOn(place.host, session);
    const on = (list: Adapters) => this.#on(session, place.host, list);
    const request: Omit<DrawRequest, 'id'> = {
      base: place.base,
      ...(place.baseHash ? { baseHash: place.baseHash } : {}),
      prompt,
      ...settings,
      count: 1,
      adapters: await on(adapters),
      beside: await Promise.all(beside.map(on)),
      lane: this.lane,
      ...(device ? { device } : {}),
      ...(hooks.previewEvery > 0 ? { previewEvery: hooks.previewEvery } : {}),
    };
    hooks.signal.throwIfAborted();
    const [picture] = await generateOnHost(session, request, (progress) => hooks.onProgress(progress), {
      signal: hooks.signal,
      onPreview: ({ png, step }) => hooks.onPreview(png, step),
    });
    hooks.signal.throwIfAborted();
    return picture!.png;
  }

  #on(session: HostSession, host: string, adapters: Adapters): Promise<DrawRequest['adapters']> {
    return Promise.all(
      adapters.map(async ({ name, file, hash, run, strength }) => ({
        source:
          run?.host === host && isResult(run, file) ? { job: run.job } : await this.#put(session, file, hash),
        ...{ strength, file, name, hash },
      })),
    );
  }

  async #put(session: HostSession, file: string, hash: string): Promise<AdapterSource> {
    const placed = this.#placed.get(session) ?? new Map<string, Promise<AdapterSource>>();
    this.#placed.set(session, placed);
    const { putAdapter } = await import('../../remote-agent/src/hosts/remote-adapters.ts');
    const putting = placed.get(hash) ?? putAdapter(session, file);
    placed.set(hash, putting);
    putting.catch(() => placed.delete(hash));
    return putting;
  }
}
