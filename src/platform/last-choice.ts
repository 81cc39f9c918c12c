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
