// Writes adapters for the golden checkpoints, for tools/golden/checkpoint_adapters.py:
//   PARA_HOME=FOLDER/home npx vite-node remote-agent/test/diffusion/write-checkpoint-exports.ts FOLDER
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { importBase } from '../../src/diffusion/base-import.ts';
import { checkpointExports } from './checkpoint-adapters.ts';
import { checkpointGolden, writeCheckpoint } from './random-checkpoint.ts';

const folder = process.argv[2];
if (!folder) throw new Error('name the folder to write to');
for (const architecture of ['sd', 'sdxl']) {
  const path = join(folder, `${architecture}.safetensors`);
  writeCheckpoint(path, checkpointGolden(architecture).tensors);
  for (const [name, files] of await checkpointExports(importBase(path)))
    writeFileSync(join(folder, `${architecture}-${name}.safetensors`), files.get('')!);
}
