import {
  constants,
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  realpathSync,
  statSync,
} from 'node:fs';
import { dirname, join, sep } from 'node:path';
import type { Base } from './base.ts';

/** The model files of a base and their external data. */
export function modelFiles(base: Base): string[] {
  const parts = [base.unet, ...base.textEncoders, base.vaeEncoder, base.vaeDecoder];
  return [...new Set(parts.flatMap((part) => part.files))];
}

/** Files of a folder that describe the base beside its models. */
const described = /\.(json|txt|md)$/;

/** Files of a folder, if there is one, that describe what lies beside them. */
export const describing = (folder: string): string[] =>
  (existsSync(folder) ? readdirSync(folder) : [])
    .filter((entry) => described.test(entry))
    .map((entry) => join(folder, entry))
    .filter((path) => statSync(path).isFile());

/** The files of a base that an import takes: models with their weights, and what describes them. */
export function wantedFiles(base: Base): string[] {
  const folders = new Set([base.directory, join(base.directory, 'scheduler'), join(base.directory, 'vae')]);
  for (const encoder of base.textEncoders) folders.add(encoder.directory).add(encoder.tokenizer);
  for (const part of [base.unet, base.vaeEncoder, base.vaeDecoder]) folders.add(part.directory);
  // Weights that lie elsewhere stay there: which they are is among what describes the base.
  const files = modelFiles(base).filter((file) => file.startsWith(base.directory + sep));
  for (const folder of folders) files.push(...describing(folder));
  return [...new Set(files)];
}

/** Puts a file elsewhere: linked where the file system allows it, else copied; links are followed. */
export function placeFile(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true });
  const source = realpathSync(from);
  try {
    linkSync(source, to);
  } catch {
    copyFileSync(source, to, constants.COPYFILE_FICLONE);
  }
}
