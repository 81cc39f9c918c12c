import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

const views = join(import.meta.dirname, '../../../webview');
const read = (path: string) => readFileSync(join(views, path), 'utf8');

/** Names of the toolkit's elements, as its own folder declares them. */
const elements = [...read('ui/toolkit.ts').matchAll(/'vscode-([a-z-]+)':/g)].map(([, name]) => name!);
/** Elements of the toolkit in code or style: classes and colours of the editor begin with the same word. */
const named = new RegExp(`(?<![-.\\w])vscode-(?:${elements.join('|')})(?![-\\w])|</?vscode-[\\w-]+`, 'g');

describe('the toolkit of view elements', () => {
  test('is written with its names in one folder alone, so that only that changes when it goes', () => {
    expect(elements.length).toBeGreaterThan(5);
    const outside = readdirSync(views, { recursive: true, encoding: 'utf8' })
      .map((path) => path.replaceAll('\\', '/'))
      .filter((path) => /\.(tsx?|css)$/.test(path) && !path.startsWith('ui/'));
    expect(outside.length).toBeGreaterThan(20);
    const found = outside.flatMap((path) =>
      (read(path).match(named) ?? []).map((name) => `${path}: ${name}`),
    );
    expect(found).toEqual([]);
  });

  test('is told from what else begins with its name', () => {
    const some =
      '<vscode-link>, "vscode-button", .a > vscode-dropdown {}, --vscode-button-border, .vscode-high-contrast';
    expect(some.match(named)).toEqual(['<vscode-link', 'vscode-button', 'vscode-dropdown']);
  });
});
