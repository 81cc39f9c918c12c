import { existsSync, readFileSync, statSync } from 'node:fs';
import { checkBase, saveAdapter } from '../adapters/adapter.ts';
import { baseWeights } from '../adapters/base-weights.ts';
import { type ExportFormat, exportAdapter, exportFormats, writeExport } from '../adapters/export.ts';
import { readAdapter } from '../adapters/import.ts';
import { inspectAdapter } from '../adapters/inspect.ts';
import { ParaError } from '../common/errors.ts';
import { pngText } from '../dataset/png-text.ts';
import { openBase } from '../diffusion/base.ts';
import { findAdapter } from './find-adapter.ts';
import { refuseExisting } from './generate.ts';
import { bold, bytes, dim, say } from './output.ts';

export interface ExportCommandOptions {
  readonly base: string;
  readonly format: string;
  readonly as?: string;
  readonly names?: string;
  readonly out: string;
}

/** `para export`: an adapter in another tool's layout. */
export function exportCommand(path: string, options: ExportCommandOptions): void {
  const { format, as, names } = options;
  if (!exportFormats.includes(format as ExportFormat)) refuse('format', format, exportFormats);
  if (as !== undefined && as !== 'lora') refuse('as', as, ['lora']);
  if (names !== undefined && names !== 'ldm' && names !== 'diffusers')
    refuse('names', names, ['ldm', 'diffusers']);
  const base = openBase(options.base);
  const source = findAdapter(path, process.cwd());
  const { layers, readWeight } = baseWeights(base.unet.path);
  const { adapter } = readAdapter(source, layers);
  checkBase(adapter, base, source);
  const files = exportAdapter(adapter, {
    format: format as ExportFormat,
    ...(as === 'lora' ? { as } : {}),
    ...(names ? { names: names as 'ldm' | 'diffusers' } : {}),
    layers,
    readWeight,
  });
  writeExport(options.out, files);
  say(`Wrote ${bold(options.out)} for ${base.name}`);
  if (as === 'lora' && adapter.method !== 'lora')
    say(dim(`Exactly the same as the adapter on ${base.name}; on any other base it is not.`));
}

function refuse(where: string, given: string, known: readonly string[]): never {
  throw new ParaError('settings', `There is no ${where} "${given}"`, {
    where,
    hint: `choose: ${known.join(', ')}`,
  });
}

/** `para import`: a LoRA file or PEFT folder as our own adapter file. */
export function importCommand(path: string, options: { base: string; out: string; force?: boolean }): void {
  refuseExisting(options.out, options.force);
  const base = openBase(options.base);
  const { adapter, layout, ignored } = readAdapter(path, baseWeights(base.unet.path).layers);
  // The file's own word on its base stays; where it says nothing, the layers fit this one.
  saveAdapter(options.out, adapter);
  say(
    `Imported ${adapter.method} of ${inspectAdapter(adapter).layers.length} layers from the ${layout} layout`,
  );
  if (ignored.length > 0) say(`Not used: ${ignored.length} tensors of text encoders`);
  say(`Wrote ${bold(options.out)}`);
}

/** `para inspect`: what a picture or an adapter says about itself. */
export function inspectCommand(path: string, options: { base: string }): void {
  if (isPng(path)) {
    say(pngText(readFileSync(path), 'parameters') ?? 'The picture carries no parameters');
    return;
  }
  const { layers } = baseWeights(openBase(options.base).unet.path);
  const { adapter, layout, ignored } = readAdapter(findAdapter(path, process.cwd()), layers);
  const report = inspectAdapter(adapter);
  say(
    `${bold(report.method)}  ${layout} layout  ${report.layers.length} layers  ${report.parameters} values`,
  );
  for (const { path: name, rank, scale, norm } of report.layers)
    say(
      `  rank ${String(rank).padStart(3)}${scale === undefined ? '' : `  scale ${scale}`}  norm ${norm.toFixed(4)}  ${name}`,
    );
  for (const [key, text] of Object.entries(report.metadata).sort(([a], [b]) => (a < b ? -1 : 1)))
    say(`  ${key}: ${text.startsWith('data:') ? pictureSize(text) : shortened(text)}`);
  if (ignored.length > 0) say(`Not used: ${ignored.length} tensors of text encoders, such as ${ignored[0]}`);
}

function isPng(path: string): boolean {
  if (!existsSync(path) || statSync(path).isDirectory()) return false;
  return readFileSync(path).subarray(1, 4).toString('latin1') === 'PNG';
}

/** `image/jpeg, 4.2 KB` of a data URI. */
const pictureSize = (uri: string) =>
  `${/^data:([^;,]*)/.exec(uri)?.[1] || 'data'}, ${bytes(Buffer.from(uri.slice(uri.indexOf(',') + 1), 'base64').length)}`;

const shortened = (text: string) =>
  text.length > 120 ? `${text.slice(0, 100)}... (${text.length} characters)` : text;
