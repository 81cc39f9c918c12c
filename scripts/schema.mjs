// Writes schemas/para.schema.json and the settings in docs/training.md from the schema in the source; with --check it
// only says whether they are current (exit code 1 when not).
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { root } from './install.mjs';

const out = join(root, '.cache/schema.mjs');
await build({
  entryPoints: [join(root, 'remote-agent/src/subject/schema.ts')],
  outfile: out,
  bundle: true,
  format: 'esm',
  platform: 'node',
  packages: 'external',
});
const { SubjectSchema } = await import(out);

const range = (s) => {
  if (s.anyOf) return s.anyOf.map((o) => o.const ?? range(o)).join(', ');
  const low = s.minimum ?? (s.exclusiveMinimum === undefined ? undefined : `above ${s.exclusiveMinimum}`);
  const high = s.maximum ?? (s.exclusiveMaximum === undefined ? undefined : `below ${s.exclusiveMaximum}`);
  return [s.type, low === undefined ? '' : `from ${low}`, high === undefined ? '' : `to ${high}`]
    .filter(Boolean)
    .join(' ');
};
const cell = (text) => String(text).replaceAll('|', '\\|');
const table = (properties) =>
  Object.entries(properties)
    .filter(([key]) => key !== '$schema')
    .map(
      ([key, s]) =>
        `| \`${key}\` | ${cell(range(s))} | ${s.default === undefined ? '' : `\`${JSON.stringify(s.default)}\``} | ${cell(s.description ?? '')} |`,
    )
    .join('\n');
const head = '| setting | values | default | meaning |\n|---|---|---|---|\n';
const sections = Object.entries(SubjectSchema.properties)
  .filter(([, s]) => s.properties)
  .map(([key, s]) => `## \`${key}\`\n${s.description ?? ''}\n\n${head}${table(s.properties)}`);
const flat = Object.fromEntries(Object.entries(SubjectSchema.properties).filter(([, s]) => !s.properties));

const guide = `# Training: every setting
A subject file \`NAME.para.json\` (comments allowed) needs only \`pictures\` and \`class\`. This page is made from the schema by \`npm run schema\`.

Captions: in the file itself, in \`NAME.txt\` beside a picture, in \`metadata.jsonl\` (\`file_name\`, \`text\`), else "a TRIGGER CLASS".

When to change what:
- The subject is not learned: more \`training.steps\`, or for PaRa a larger \`method.gamma\`.
- Backgrounds are ignored: fewer steps, captions that name the background, a smaller rank.
- The loss is no number: a third of \`training.learningRate\`.

## The subject
${head}${table(flat)}

${sections.join('\n\n')}
`;
const files = {
  'schemas/para.schema.json': `${JSON.stringify(SubjectSchema, null, 2)}\n`,
  'docs/training.md': guide,
};
for (const [name, text] of Object.entries(files)) {
  const path = join(root, name);
  const current = existsSync(path) && readFileSync(path, 'utf8') === text;
  if (process.argv.includes('--check')) {
    if (current) continue;
    console.error(`${name} is not current: run npm run schema`);
    process.exitCode = 1;
  } else writeFileSync(path, text);
}
