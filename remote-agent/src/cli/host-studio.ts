import { existsSync } from 'node:fs';
import { defined } from '../common/defined.ts';
import { ParaError } from '../common/errors.ts';
import { decodePng } from '../dataset/pictures.ts';
import type { Recipe } from '../diffusion/recipe.ts';
import { putAdapter } from '../hosts/remote-adapters.ts';
import { hostBases } from '../hosts/remote-bases.ts';
import { generateOnHost } from '../hosts/remote-generation.ts';
import type { HostSession } from '../hosts/session.ts';
import type { DrawRequest, GenerationProgress } from '../protocol/contract/generation.ts';
import type { DrawingHooks, DrawnFile, RecipeAdapters, Studio } from './studio.ts';

type HostAdapters = DrawRequest['adapters'];

/** Draws on a host; adapters that lie here are sent there once. */
export class HostStudio implements Studio {
  readonly #session: HostSession;
  readonly #sent = new Map<string, Promise<{ sha256: string }>>();
  #combinations: readonly RecipeAdapters[] = [];

  private constructor(
    session: HostSession,
    readonly base: Studio['base'],
  ) {
    this.#session = session;
  }

  /** @throws ParaError `base` where the host has none of this name, or cannot open it */
  static async open(session: HostSession, name: string): Promise<HostStudio> {
    const { hash, width, height, problem } = (await hostBases(session))(name);
    const { name: host } = session.profile;
    if (width === undefined || height === undefined)
      throw new ParaError('base', `The host cannot open its base "${name}"`, {
        where: `${host}: ${problem ?? 'no size'}`,
        hint: `para base check ${name} --host ${host}`,
      });
    return new HostStudio(session, { name, hash, width, height });
  }

  async #onHost(adapters: RecipeAdapters): Promise<HostAdapters> {
    const placed: HostAdapters = [];
    for (const { file, ...rest } of adapters) placed.push({ source: await this.#send(file), file, ...rest });
    return placed;
  }

  #send(file: string): Promise<{ sha256: string }> {
    if (!existsSync(file))
      throw new ParaError('adapter', 'The adapter is not on this machine', {
        where: file,
        hint: 'check the path',
      });
    const sending = this.#sent.get(file) ?? putAdapter(this.#session, file);
    this.#sent.set(file, sending);
    return sending;
  }

  reserve(combinations: readonly RecipeAdapters[]): void {
    this.#combinations = combinations;
  }

  async draw(recipe: Recipe, count: number, hooks: DrawingHooks): Promise<DrawnFile[]> {
    const { prompt, negative, seed, steps, guidance, scheduler, eta, precision, width, height } = recipe;
    const adapters = await this.#onHost(recipe.adapters);
    const beside: HostAdapters[] = [];
    for (const one of this.#combinations) beside.push(await this.#onHost(one));
    const pictures = await generateOnHost(
      this.#session,
      {
        ...{
          base: this.base.name,
          baseHash: this.base.hash,
          prompt,
          negative,
          seed,
          steps,
          guidance,
          scheduler,
        },
        ...defined({ eta, precision }),
        ...{ width, height, count, adapters },
        ...(beside.length > 0 ? { beside } : {}),
      },
      (progress) => tell(progress, hooks),
    );
    return Promise.all(pictures.map(async ({ png }) => ({ png, picture: await decodePng(png) })));
  }

  async close(): Promise<void> {
    this.#session.close();
  }
}

function tell(progress: GenerationProgress['progress'], hooks: DrawingHooks): void {
  if (progress.at === 'step') hooks.step(progress.picture, progress.step);
  else if (progress.at === 'waiting') hooks.note(progress.reason);
  else if (progress.at === 'queued' && progress.place > 0) hooks.note(`waiting: place ${progress.place}`);
}
