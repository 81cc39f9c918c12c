import { deepStrictEqual, ok } from 'node:assert/strict';
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import {
  type CodeLens,
  type CompletionList,
  commands,
  type DocumentLink,
  extensions,
  type TextDocument,
  Uri,
  window,
} from 'vscode';
import type { Tests } from './index.ts';

/** Works with a file in a folder that holds pictures of the sample too. */
async function withFile<T>(
  name: string,
  text: string,
  work: (document: TextDocument) => Thenable<T>,
): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'para-language-'));
  try {
    const { extensionPath } = extensions.getExtension('para-studio.para-studio')!;
    for (const picture of ['dog-1.png', 'dog-2.png'])
      cpSync(join(extensionPath, 'examples/dog', picture), join(folder, picture));
    writeFileSync(join(folder, name), text);
    const { document } = await window.showTextDocument(Uri.file(join(folder, name)));
    return await work(document);
  } finally {
    await commands.executeCommand('workbench.action.closeActiveEditor');
    rmSync(folder, { recursive: true });
  }
}

/** What is offered where the text holds a bar. */
const offered = (name: string, text: string): Promise<string[]> =>
  withFile(name, text.replace('|', ''), async (document) => {
    const { items } = await commands.executeCommand<CompletionList>(
      'vscode.executeCompletionItemProvider',
      document.uri,
      document.positionAt(text.indexOf('|')),
    );
    return items.map(({ label }) => (typeof label === 'string' ? label : label.label));
  });

export const tests: Tests = {
  'a picture that a subject file names is a link to it': async () => {
    const text = '{ "pictures": ["dog-2.png", "none.png"], "class": "dog" }';
    const links = await withFile('dog.para.json', text, ({ uri }) =>
      commands.executeCommand<DocumentLink[]>('vscode.executeLinkProvider', uri),
    );
    deepStrictEqual(
      links.map(({ target }) => basename(target!.path)),
      ['dog-2.png'],
    );
  },

  'pictures, bases and presets of layers are completed in a subject file': async () => {
    for (const [text, wanted] of [
      ['{ "pictures": ["|"] }', ['*.png', 'dog-1.png', 'dog-2.png']],
      ['{ "base": "|" }', ['pocket-sdxl']],
      ['{ "method": { "layers": "|" } }', ['attention']],
    ] as const) {
      // What is usual comes of the JSON service, in its quotes.
      const found = (await offered('dog.para.json', text)).map((label) => label.replaceAll('"', ''));
      for (const label of wanted)
        deepStrictEqual(
          found.filter((one) => one === label),
          [label],
          `${text}: ${label} is not once among ${found}`,
        );
    }
  },

  'snippets write a subject file and a prompt': async () => {
    for (const [name, prefix] of [
      ['new.para.json', 'subject'],
      ['new.prompts', 'prompt'],
    ] as const) {
      const found = await offered(name, '|');
      ok(found.includes(prefix), `${name}: ${prefix} is not among ${found}`);
    }
  },

  'each prompt of a prompt file has a line above it that draws it': async () => {
    const lenses = await withFile('mine.prompts', '# a comment\na dog\na cat --s 4\n', ({ uri }) =>
      commands.executeCommand<CodeLens[]>('vscode.executeCodeLensProvider', uri, 10),
    );
    deepStrictEqual(
      lenses.map(({ range, command }) => [range.start.line, command?.command]),
      [
        [1, 'para.drawPromptLine'],
        [2, 'para.drawPromptLine'],
      ],
    );
  },
};
