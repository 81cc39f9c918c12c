// What a package needs besides the files of translators (package.nls.LANGUAGE.json, l10n/bundle.l10n.LANGUAGE.json):
// the editor's JSON service reads a schema as it is, so that every language needs one of its own.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const read = (path) => JSON.parse(readFileSync(path, 'utf8'));
const write = (path, value) => writeFileSync(path, `${JSON.stringify(value, null, 2)}\n`);

/** A schema with what people read of it given by `of`. */
function withTexts(value, of) {
  if (Array.isArray(value)) return value.map((one) => withTexts(one, of));
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([key, part]) => {
    const isText = ['title', 'description'].includes(key) && typeof part === 'string';
    return [key, isText ? of(part) : withTexts(part, of)];
  });
  return Object.fromEntries(entries);
}

/** What people read of a schema. */
export function textsOfSchema(schema) {
  const texts = [];
  withTexts(schema, (text) => texts.push(text));
  return texts;
}

/** Adds the schema in every language that the package has, and its name to the manifest's texts in that language. */
export function translateSchemas(folder) {
  const bundles = existsSync(join(folder, 'l10n')) ? readdirSync(join(folder, 'l10n')) : [];
  const original = read(join(folder, 'schemas/para.schema.json'));
  for (const name of bundles) {
    const [, language] = /^bundle\.l10n\.(.+)\.json$/.exec(name) ?? [];
    if (!language) continue;
    const schema = `schemas/para.schema.${language}.json`;
    const bundle = read(join(folder, 'l10n', name));
    write(
      join(folder, schema),
      withTexts(original, (text) => bundle[text] ?? text),
    );
    const manifest = join(folder, `package.nls.${language}.json`);
    write(manifest, { ...(existsSync(manifest) ? read(manifest) : {}), 'schema.subject': `./${schema}` });
  }
}
