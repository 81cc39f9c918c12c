import { join } from 'node:path';
import { type Disposable, EventEmitter } from 'vscode';
import { paraHome } from '../remote-agent/src/diffusion/base-places.ts';
import type { AdapterServices } from './adapters/commands.ts';
import type { AdapterLibrary } from './adapters/library.ts';
import { basesOfHosts } from './hosts/known-bases.ts';
import { Disposables } from './platform/disposables.ts';
import { gathered } from './platform/signal.ts';
import { BaseShelf } from './prompt/base-facts.ts';
import { registerPromptLanguage } from './prompt/language.ts';
import type { KnownAdapter, Library } from './prompt/library.ts';
import { basesIn } from './prompt/local-bases.ts';
import type { SubjectServices } from './subject/context.ts';
import { registerSubjectLanguage } from './subject/language.ts';
import { PictureShelf } from './subject/picture-shelf.ts';

export interface Languages extends Disposable {
  /** What commands about subjects work with. */
  readonly subjects: SubjectServices;
}

/** Subject files and prompt files as languages of the editor. */
export function registerLanguages({ context, library, log }: AdapterServices): Languages {
  const owned = new Disposables();
  const places = [join(paraHome(), 'bases'), join(context.extensionPath, 'remote-agent', 'bases')];
  const known = owned.add(new LanguageLibrary(library, places, () => basesOfHosts(context.globalState)));
  const services: SubjectServices = {
    library: known,
    shelf: new BaseShelf(known),
    pictures: new PictureShelf(),
    log,
    extensionUri: context.extensionUri,
  };
  owned.add(registerPromptLanguage(services));
  owned.add(registerSubjectLanguage(services));
  return {
    subjects: services,
    dispose: () => owned.dispose(),
  };
}

/** What prompts and subjects may name: the bases of this machine and its hosts, and what was trained or imported. */
class LanguageLibrary implements Library, Disposable {
  readonly #owned = new Disposables();
  readonly #changed = this.#owned.add(new EventEmitter<void>());
  #names = '';

  constructor(
    readonly all: AdapterLibrary,
    readonly places: readonly string[],
    /** Names of bases elsewhere. */
    readonly elsewhere: () => readonly string[],
  ) {
    // A run that goes on changes the library all the time; only its names matter here.
    const look = gathered(500, () => void this.#look());
    this.#owned.add(all.onChange(look));
    this.#owned.add(look);
  }

  readonly onDidChange = (listener: () => void): Disposable => this.#changed.event(listener);

  async bases() {
    const here = basesIn(this.places);
    const away = this.elsewhere().filter((name) => !here.some((base) => base.name === name));
    return [...here, ...away.map((name) => ({ name }))];
  }

  async adapters(): Promise<KnownAdapter[]> {
    const all = await this.all.all();
    return all.map(({ name, method, base }) => ({ name, method, ...(base ? { base } : {}) }));
  }

  async #look(): Promise<void> {
    const names = JSON.stringify(await this.adapters());
    if (names === this.#names) return;
    this.#names = names;
    this.#changed.fire();
  }

  dispose(): void {
    this.#owned.dispose();
  }
}
