import { l10n, ThemeIcon, window } from 'vscode';
import { adapterItem, type Choosing } from '../adapters/commands.ts';
import type { LibraryAdapter } from '../adapters/library.ts';
import { type Choice, chooseAgain } from '../platform/last-choice.ts';
import { noAdapterYet } from '../platform/nothing-yet.ts';

/** What is drawn with: an adapter, or a base alone. */
export type Chosen =
  | { readonly adapter: LibraryAdapter }
  | { readonly adapter?: never; readonly base: string };

interface Item extends Choice {
  readonly adapter?: LibraryAdapter;
  readonly base?: string;
}

/**
 * Lets a person choose adapters of the library, or bases alone. Asks nothing where there is nothing to choose between.
 * @param bases that are offered, behind the adapters
 * @returns `undefined` where the person gave up
 */
export async function chooseColumns(
  { context, library }: Choosing,
  bases: readonly string[],
  { title, several }: { readonly title: string; readonly several: boolean },
): Promise<Chosen[] | undefined> {
  const alone = bases.map((base) => ({
    ...{ label: l10n.t('Base'), description: base, detail: l10n.t('without an adapter') },
    ...{ id: `base ${base}`, iconPath: new ThemeIcon('circle-outline'), base },
  }));
  const items: Item[] = [...(await library.all()).map(adapterItem), ...alone];
  if (items.length === 0) {
    noAdapterYet();
    return undefined;
  }
  if (!several && items.length === 1) return items.map(chosenOf);
  const how = { title, matchOnDescription: true, matchOnDetail: true };
  // What is added to a table is another each time.
  if (several) return (await window.showQuickPick(items, { ...how, canPickMany: true }))?.map(chosenOf);
  const chosen = await chooseAgain(context.globalState, 'para.lastDrawnWith', items, how);
  return chosen && [chosenOf(chosen)];
}

const chosenOf = ({ adapter, base = '' }: Item): Chosen => (adapter ? { adapter } : { base });
