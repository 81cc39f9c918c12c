import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type Adapter, decodeAdapter, isOwnFile } from '../adapters/adapter.ts';
import { peftFiles } from '../adapters/import.ts';
import { decodeSafetensors } from '../adapters/safetensors.ts';
import { ParaError } from '../common/errors.ts';
import type { AppliedAdapter } from '../diffusion/adapter-slots.ts';
import { applied, readAdapterFor } from '../diffusion/applied.ts';
import type { Base } from '../diffusion/base.ts';
import { parsePrompt } from '../diffusion/prompt.ts';
import { adapterName, findAdapter } from './find-adapter.ts';
import { dim, say } from './output.ts';

/** An adapter that was asked for: what it is called, where it lies and how strongly it applies. */
export interface WantedAdapter {
  readonly name: string;
  readonly file: string;
  readonly strength: number;
}

/** Finds `FILE[:STRENGTH]` (see `findAdapter`); a colon within the path (a drive letter) stays. */
export function adapterArgument(text: string): WantedAdapter {
  const found = /^(.+):(-?\d+(?:\.\d+)?)$/.exec(text);
  const [name, strength] = found ? [found[1]!, Number(found[2])] : [text, 1];
  const file = findAdapter(name, process.cwd());
  return { name: adapterName(file), file, strength };
}

/**
 * The adapters that a prompt names with `<lora:NAME:STRENGTH>`, in reading order.
 * @param directory where relative paths start
 * @throws ParaError `adapter` for an unknown name, `prompt` for one in the negative prompt
 */
export function promptAdapters(
  { prompt, negative = '' }: { readonly prompt: string; readonly negative?: string },
  directory: string,
): WantedAdapter[] {
  if (parsePrompt(negative).adapters.length > 0)
    throw new ParaError('prompt', 'The negative prompt names an adapter', {
      where: negative,
      hint: 'name it in the prompt: an adapter changes the whole picture',
    });
  return parsePrompt(prompt).adapters.map(({ name, strength }) => ({
    name,
    file: findAdapter(name, directory, prompt),
    strength,
  }));
}

/**
 * Reads an adapter of any layout for a base, and says what of it is not used.
 * @throws ParaError `adapter`, `safetensors`, or `adapter-base-mismatch` when it was made for another base
 */
export function loadAdapter(file: string, base: Base): Adapter {
  const { adapter, ignored } = readAdapterFor(file, base);
  if (ignored.length > 0)
    say(dim(`${adapterName(file)}: ${ignored.length} tensors of text encoders are not used`));
  return adapter;
}

/** An adapter file as sampling takes it; throws what `loadAdapter` does. */
export const loadApplied = ({ file, strength }: Omit<WantedAdapter, 'name'>, base: Base): AppliedAdapter =>
  applied(loadAdapter(file, base), strength, file);

/** SHA-256 of an adapter's file, or of both files of a PEFT folder, as hex. */
export function adapterHash(file: string): string {
  const hash = createHash('sha256');
  const parts = statSync(file).isDirectory() ? peftFiles.map((name) => join(file, name)) : [file];
  for (const part of parts) hash.update(readFileSync(part));
  return hash.digest('hex');
}

/** What an adapter's file says of itself without its base. `parameters`: number of trained values. */
export interface AdapterFacts {
  readonly method: string;
  readonly steps?: number;
  readonly parameters: number;
}

/** Reads what a sheet tells of an adapter of any layout. @throws ParaError `adapter`, `safetensors` */
export function describeAdapter(file: string): AdapterFacts {
  const path = statSync(file).isDirectory() ? join(file, peftFiles[1]) : file;
  const bytes = readFileSync(path);
  const { tensors, metadata } = decodeSafetensors(bytes, path);
  const parameters = [...tensors].reduce(
    (n, [key, t]) => (key.endsWith('.alpha') ? n : n + t.data.length),
    0,
  );
  // Files of other tools are LoRA: nothing else is taken.
  if (!isOwnFile(metadata)) return { method: 'lora', parameters };
  const { method, info } = decodeAdapter(bytes, path);
  return { method, parameters, ...(info.steps === undefined ? {} : { steps: info.steps }) };
}
