import { parse } from 'jsonc-parser';
import { FileType, l10n, type QuickPickItem, Uri, window, workspace } from 'vscode';
import { defaultBase } from '../../remote-agent/src/subject/name.ts';
import type { SubjectServices } from './context.ts';
import { draftSubject, guessClass, subjectName, usualClasses } from './draft.ts';
import { isPicture, pictureExtensions } from './expand.ts';
import { folderOf, nameOf } from './paths.ts';
import { rareTrigger } from './trigger.ts';
import { filesOf, findSubjects } from './workspace-files.ts';

/**
 * Makes a subject file beside pictures: of a folder, or of pictures that were chosen. Asks for what is missing.
 * @param uris a folder, pictures, or nothing: then they are asked for
 * @returns the new file; `undefined` where the person gave up
 */
export async function newSubject(
  services: SubjectServices,
  uris: readonly Uri[] = [],
): Promise<Uri | undefined> {
  const chosen = uris.length > 0 ? uris : await askForPictures();
  const found = chosen && (await picturesOf(chosen));
  if (!found) return undefined;
  const { folder, pictures } = found;
  const name = subjectName(nameOf(folder.path));
  const className = await askForClass(guessClass(name));
  if (!className) return undefined;
  const counters = (await services.shelf.facts(defaultBase))?.counters ?? [];
  const trigger = rareTrigger(counters, await usedTriggers());
  const text = draftSubject({ trigger, className, pictures, base: defaultBase }, l10n.t);
  const uri = await freeUri(folder, name);
  await workspace.fs.writeFile(uri, new TextEncoder().encode(text));
  return uri;
}

async function askForPictures(): Promise<readonly Uri[] | undefined> {
  return window.showOpenDialog({
    title: l10n.t('New Subject from Images'),
    openLabel: l10n.t('Use These Pictures'),
    canSelectMany: true,
    canSelectFiles: true,
    canSelectFolders: true,
    ...(workspace.workspaceFolders?.[0] ? { defaultUri: workspace.workspaceFolders[0].uri } : {}),
    filters: { [l10n.t('Pictures')]: [...pictureExtensions] },
  });
}

/** The folder that the file is to lie in, and the names of pictures in it; a whole folder stays a folder. */
async function picturesOf(
  uris: readonly Uri[],
): Promise<{ folder: Uri; pictures: readonly string[] | 'all' } | undefined> {
  const [first] = uris;
  if (!first) return undefined;
  const { type } = await workspace.fs.stat(first);
  if (type & FileType.Directory) {
    const there = (await filesOf(first).list(first.path)).some(
      (child) => !child.folder && isPicture(child.name),
    );
    if (there) return { folder: first, pictures: 'all' };
    void window.showWarningMessage(
      l10n.t('There are no PNG, JPEG or WebP pictures in {0}.', nameOf(first.path)),
    );
    return undefined;
  }
  const folder = first.with({ path: folderOf(first.path) });
  const pictures = uris
    .filter(({ path }) => folderOf(path) === folder.path && isPicture(path))
    .map(({ path }) => nameOf(path));
  if (pictures.length > 0) return { folder, pictures: [...new Set(pictures)].sort() };
  void window.showWarningMessage(l10n.t('None of the chosen files is a PNG, JPEG or WebP picture.'));
  return undefined;
}

/** Asks what kind of thing the pictures show; any word will do. */
function askForClass(guess: string): Promise<string | undefined> {
  const pick = window.createQuickPick<QuickPickItem>();
  pick.title = l10n.t('What do the pictures show?');
  pick.placeholder = l10n.t('One word for the kind of thing: dog, person, teapot');
  pick.value = guess;
  const list = () => {
    const own = pick.value.trim();
    const words = own === '' || usualClasses.includes(own) ? usualClasses : [own, ...usualClasses];
    pick.items = words.map((label) => ({ label }));
    pick.activeItems = pick.items.filter(({ label }) => label === own);
  };
  list();
  return new Promise((resolve) => {
    pick.onDidChangeValue(list);
    pick.onDidAccept(() => {
      resolve(pick.selectedItems[0]?.label ?? (pick.value.trim() || undefined));
      pick.hide();
    });
    pick.onDidHide(() => {
      resolve(undefined);
      pick.dispose();
    });
    pick.show();
  });
}

/** Two subjects of one trigger could not be drawn together. */
async function usedTriggers(): Promise<Set<string>> {
  const used = new Set<string>();
  for (const uri of await findSubjects()) {
    const text = new TextDecoder().decode(await workspace.fs.readFile(uri));
    const { trigger } = (parse(text) ?? {}) as { trigger?: unknown };
    if (typeof trigger === 'string') used.add(trigger);
  }
  return used;
}

async function freeUri(folder: Uri, name: string): Promise<Uri> {
  const files = filesOf(folder);
  for (let n = 1; ; n++) {
    const uri = Uri.joinPath(folder, `${name}${n === 1 ? '' : `-${n}`}.para.json`);
    if ((await files.kind(uri.path)) === undefined) return uri;
  }
}
