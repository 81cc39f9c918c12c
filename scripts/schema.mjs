// Writes schemas/para.schema.json from the schema in the source (a test checks that it is current).
import { writeFileSync } from 'node:fs';
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
writeFileSync(join(root, 'schemas/para.schema.json'), `${JSON.stringify(SubjectSchema, null, 2)}\n`);
