// What translators do, for a language of the tests: every text begins with its mark.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { translateSchemas } from '../../../scripts/package/translations.mjs';

/** The language whose place is taken. */
export const language = 'de';
/** What every text begins with in it. */
export const mark = '\u00bb';

const read = (path: string) => JSON.parse(readFileSync(path, 'utf8')) as Record<string, string>;
const write = (path: string, value: unknown) => writeFileSync(path, JSON.stringify(value));

/** A language pack that translates nothing of the editor's own, as the editor notes those that are installed. */
function placeLanguagePack(data: string): void {
  const vscode = join(data, 'vscode.json');
  write(vscode, { version: '1.0.0', contents: {} });
  const extensions = [{ extensionIdentifier: { id: 'translators.language-pack' }, version: '1.0.0' }];
  const pack = { hash: '0123456789abcdef', extensions, translations: { vscode }, label: 'Deutsch' };
  write(join(data, 'languagepacks.json'), { [language]: pack });
}

/**
 * Gives an editor another language, and the installed extension what it says in it: what its manifest says, what its
 * code says, and the schema that follows.
 * @param editor folder of everything that is the server's
 */
export function translate(editor: string): void {
  placeLanguagePack(join(editor, 'data'));
  const extensions = join(editor, 'extensions');
  const [name] = readdirSync(extensions).filter((one) => one.startsWith('para-studio.'));
  const folder = join(extensions, name!);
  const marked = (texts: Record<string, string>) =>
    Object.fromEntries(Object.entries(texts).map(([key, text]) => [key, `${mark}${text}`]));
  // The name of the product is one in every language; the way to the schema is no text.
  const { 'container.title': _, 'schema.subject': __, ...manifest } = read(join(folder, 'package.nls.json'));
  write(join(folder, `package.nls.${language}.json`), marked(manifest));
  write(
    join(folder, `l10n/bundle.l10n.${language}.json`),
    marked(read(join(folder, 'l10n/bundle.l10n.json'))),
  );
  translateSchemas(folder);
}
