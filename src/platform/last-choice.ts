import { type Memento, type QuickPickItem, type QuickPickOptions, window } from 'vscode';

/** An entry that can be found again: labels are in the editor's language. */
export type Choice = QuickPickItem & { readonly id: string };

/**
 * Asks for one of several things, with the one that was chosen last first: Enter takes it again.
 * @param memory where the choice is kept
 * @param key under which
 */
export async function chooseAgain<T extends Choice>(
  memory: Memento,
  key: string,
  items: readonly T[],
  options: QuickPickOptions,
): Promise<T | undefined> {
  const last = memory.get<string>(key);
  const first = items.filter(({ id }) => id === last);
  const rest = items.filter(({ id }) => id !== last);
  const chosen = await window.showQuickPick([...first, ...rest], options);
  if (chosen) await memory.update(key, chosen.id);
  return chosen;
}

/**
 * Asks for several things; those that were chosen last are ticked, and come first.
 * @param memory where the choice is kept
 * @param key under which
 */
export async function chooseSeveralAgain<T extends Choice>(
  memory: Memento,
  key: string,
  items: readonly T[],
  options: QuickPickOptions,
): Promise<T[] | undefined> {
  const last = memory.get<readonly string[]>(key) ?? [];
  const all = items.map((item) => ({ ...item, picked: last.includes(item.id) }));
  all.sort((a, b) => Number(b.picked) - Number(a.picked));
  const chosen = await window.showQuickPick(all, { ...options, canPickMany: true });
  // Nothing chosen is no choice to go by next time.
  if (chosen?.length)
    await memory.update(
      key,
      chosen.map(({ id }) => id),
    );
  return chosen;
}
