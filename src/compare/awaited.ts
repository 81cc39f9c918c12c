import { commands, l10n, type Memento, window } from 'vscode';
import type { Owned } from '../platform/signal.ts';
import { isActive, type Run } from '../runs/run.ts';
import type { RunStore } from '../runs/store.ts';
import { type Awaited, afterEnd } from './awaited-runs.ts';

/** Where they are kept: the window may be loaded again before the runs end. */
const key = 'para.awaitedComparisons';

/**
 * Comparisons of LoRA and PaRa for which something is still trained: opened when it is finished and somebody looks at
 * it, offered where nobody does.
 */
export class AwaitedComparisons implements Owned {
  readonly #owned: Owned;

  /** @param isWatched whether a run is on screen */
  constructor(
    readonly memory: Pick<Memento, 'get' | 'update'>,
    readonly runs: Pick<RunStore, 'get' | 'onEnd'>,
    readonly isWatched: (run: Run) => boolean,
  ) {
    this.#owned = runs.onEnd((run) => this.#ended(run));
  }

  get #all(): readonly Awaited[] {
    return this.memory.get<readonly Awaited[]>(key) ?? [];
  }

  /** Whether the end of this run is told by what waits for it. */
  tells({ id, state }: Run): boolean {
    return state === 'finished' && this.#all.some(({ runs }) => runs.includes(id));
  }

  /** Compares a subject when these runs are finished. */
  async add(awaited: Awaited): Promise<void> {
    const others = this.#all.filter(({ subject }) => subject !== awaited.subject);
    await this.memory.update(key, [...others, awaited]);
    this.look();
  }

  /** Looks for runs that were over before anybody here could hear of it, as when another window saw their end. */
  look(): void {
    for (const { runs } of this.#all)
      for (const id of runs) {
        const run = this.runs.get(id);
        if (run && !isActive(run)) this.#ended(run);
      }
  }

  #ended(run: Run): void {
    const before = this.#all;
    if (!before.some(({ runs }) => runs.includes(run.id))) return;
    const { left, ready } = afterEnd(before, run);
    void this.memory.update(key, left);
    for (const subject of ready) void this.#compare(subject, this.isWatched(run));
  }

  async #compare(subject: string, atOnce: boolean): Promise<void> {
    const compare = l10n.t('Compare LoRA and PaRa');
    const wanted =
      atOnce ||
      (await window.showInformationMessage(
        l10n.t('{0} is trained with LoRA and PaRa now.', subject),
        compare,
      )) === compare;
    if (wanted) await commands.executeCommand('para.compareMethods', subject);
  }

  dispose(): void {
    this.#owned.dispose();
  }
}
