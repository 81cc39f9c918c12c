// What a package needs besides the files of translators (package.nls.LANGUAGE.json, l10n/bundle.l10n.LANGUAGE.json):
// the editor's JSON service reads a schema as it is, so that every language needs one of its own.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const read = (path) => JSON.parse(readFileSync(path, 'utf8'));
const write = (path, value) => writeFileSync(path, `${JSON.stringify(value, null, 2)}\n`);

/** Replaces what people read of a schema. */
function translated(value, bundle) {
  if (Array.isArray(value)) return value.map((one) => translated(one, bundle));
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([key, part]) => {
    const isText = ['title', 'description'].includes(key) && typeof part === 'string';
    return [key, isText ? (bundle[part] ?? part) : translated(part, bundle)];
  });
  return Object.fromEntries(entries);
}

/** Adds the schema in every language that the package has, and its name to the manifest's texts in that language. */
export function translateSchemas(folder) {
  const bundles = existsSync(join(folder, 'l10n')) ? readdirSync(join(folder, 'l10n')) : [];
  for (const name of bundles) {
    const [, language] = /^bundle\.l10n\.(.+)\.json$/.exec(name) ?? [];
    if (!language) continue;
    const schema = `schemas/para.schema.${language}.json`;
    const bundle = read(join(folder, 'l10n', name));
    write(join(folder, schema), translated(read(join(folder, 'schemas/para.schema.json')), bundle));
    const manifest = join(folder, `package.nls.${language}.json`);
    write(manifest, { ...(existsSync(manifest) ? read(manifest) : {}), 'schema.subject': `./${schema}` });
  }
}
