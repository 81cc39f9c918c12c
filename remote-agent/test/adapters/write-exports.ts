// Writes the exports of the sample adapters for tools/golden/verify_exports.py:
//   npx vite-node remote-agent/test/adapters/write-exports.ts FOLDER
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { encodeAdapter } from '../../src/adapters/adapter.ts';
import { exportedCases, sampleAdapter } from './sample-adapters.ts';

const folder = process.argv[2];
if (!folder) throw new Error('name the folder to write to');
for (const [name, files] of exportedCases()) {
  mkdirSync(join(folder, name), { recursive: true });
  for (const [file, bytes] of files) writeFileSync(join(folder, name, file || 'adapter.safetensors'), bytes);
}
for (const kind of ['para', 'uniform', 'lora'] as const)
  writeFileSync(join(folder, `${kind}.safetensors`), encodeAdapter(sampleAdapter(kind)));
