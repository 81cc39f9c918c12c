// `npm run l10n`: writes l10n/bundle.l10n.json, the texts of the extension and its views as translators get them;
// with --check it only says whether it is current, whether the manifest's texts are those of package.nls.json, and
// where a text for people goes past the translators.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import ts from 'typescript';
import { root } from './install.mjs';
import { failureTexts } from './l10n/failures.mjs';
import { untranslated } from './l10n/untranslated.mjs';
import { textsOfSchema } from './package/translations.mjs';

const check = process.argv.includes('--check');
const problems = [];

/** Where texts come of the schema of subject files, of which the code has no literal. */
const form = 'src/subject/editor/fields.ts';

/** Texts of `l10n.t('...')` and `t('...')` in a file. */
function textsOf(path, source) {
  const file = ts.createSourceFile(path, source, ts.ScriptTarget.Latest, true);
  const texts = [];
  const visit = (node) => {
    if (ts.isCallExpression(node) && /^(l10n\.t|t|\w+\.t)$/.test(node.expression.getText(file))) {
      const [first] = node.arguments;
      if (first && ts.isStringLiteralLike(first)) texts.push(first.text);
      else if (first && path !== form)
        problems.push(`${path}: t(${first.getText(file)}) is nothing that translators could find`);
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  return texts;
}

async function textsOfForm() {
  const outfile = join(root, '.cache/form-texts.mjs');
  await build({
    entryPoints: [join(root, form)],
    outfile,
    bundle: true,
    ...{ format: 'esm', platform: 'node', packages: 'external', logLevel: 'error' },
  });
  return (await import(outfile)).schemaTexts();
}

const filesIn = (folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.tsx?$/.test(name))
    .map((name) => {
      const path = `${folder}/${name.replaceAll('\\', '/')}`;
      return [path, readFileSync(join(root, path), 'utf8')];
    });
const editor = ['src', 'webview'].flatMap(filesIn);
const agent = filesIn('remote-agent/src');
// What the agent's code says to a terminal and to the editor alike.
const shared = agent.filter(([, source]) => source.includes('common/translate.ts'));
// What it says of failures, which the editor translates where it shows them; `para` itself is no part of the editor.
const programs = agent.filter(([path]) => !path.startsWith('remote-agent/src/cli/'));
const speakEnglish = [...programs, ...editor.filter(([, source]) => !source.includes("from 'vscode'"))];
const texts = [
  ...[...editor, ...shared].flatMap(([path, source]) => textsOf(path, source)),
  ...speakEnglish.flatMap(([path, source]) => failureTexts(path, source)),
];
for (const [path, source] of editor) problems.push(...untranslated(path, source));

texts.push(...textsOfSchema(JSON.parse(readFileSync(join(root, 'schemas/para.schema.json'), 'utf8'))));

const all = [...new Set([...texts, ...(await textsOfForm())])].sort();
const bundle = `${JSON.stringify(Object.fromEntries(all.map((text) => [text, text])), null, 2)}\n`;
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
