// `npm run l10n`: writes l10n/bundle.l10n.json, the texts of the extension and its views as translators get them;
// with --check it only says whether it is current, and whether the manifest's texts are those of package.nls.json.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { root } from './install.mjs';

const check = process.argv.includes('--check');
const problems = [];

/** Texts of `l10n.t('...')` and `t('...')` in a file. */
function textsOf(path) {
  const file = ts.createSourceFile(path, readFileSync(path, 'utf8'), ts.ScriptTarget.Latest, true);
  const texts = [];
  const visit = (node) => {
    if (ts.isCallExpression(node) && /^(l10n\.t|t|\w+\.t)$/.test(node.expression.getText(file))) {
      const [first] = node.arguments;
      if (first && ts.isStringLiteralLike(first)) texts.push(first.text);
      else if (first && ts.isConditionalExpression(first))
        problems.push(`${path}: a text that is chosen inside t() cannot be found by translators`);
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  return texts;
}

const files = ['src', 'webview'].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.tsx?$/.test(name))
    .map((name) => join(root, folder, name)),
);
const texts = [...new Set(files.flatMap(textsOf))].sort();
const bundle = `${JSON.stringify(Object.fromEntries(texts.map((text) => [text, text])), null, 2)}\n`;
const path = join(root, 'l10n/bundle.l10n.json');
if (!check) {
  mkdirSync(join(root, 'l10n'), { recursive: true });
  writeFileSync(path, bundle);
} else if (!existsSync(path) || readFileSync(path, 'utf8') !== bundle)
  problems.push('l10n/bundle.l10n.json is not current: run npm run l10n');

const manifest = readFileSync(join(root, 'package.json'), 'utf8');
const used = new Set([...manifest.matchAll(/"%([\w.-]+)%"/g)].map(([, key]) => key));
const known = Object.keys(JSON.parse(readFileSync(join(root, 'package.nls.json'), 'utf8')));
for (const key of used) if (!known.includes(key)) problems.push(`package.nls.json lacks "${key}"`);
for (const key of known)
  if (!used.has(key)) problems.push(`package.nls.json holds "${key}", which nobody uses`);

for (const problem of problems) console.error(problem);
if (problems.length > 0) process.exitCode = 1;
