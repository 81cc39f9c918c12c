import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const src = join(import.meta.dirname, '../../../src');

test('errors of the editor are told in its language', () => {
  const untranslated = readdirSync(src, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts'))
    .flatMap((path) => {
      const text = readFileSync(join(src, path), 'utf8');
      // Whoever does not know the editor tells in English, or is given what translates.
      if (!text.includes("from 'vscode'")) return [];
      const errors = text.match(/new ParaError\([\s\S]*?;\n/g) ?? [];
      return errors
        .filter((one) => /new ParaError\(\s*'[\w-]+',\s*['"`]|\bhint:\s*['"`]/.test(one))
        .map((one) => `${path}: ${one}`);
    });
  expect(untranslated).toEqual([]);
});
