import { existsSync, readFileSync, statSync } from 'node:fs';
import { checkBase, saveAdapter } from '../adapters/adapter.ts';
import { baseWeights } from '../adapters/base-weights.ts';
import {
  type ExportedFiles,
  type ExportOptions,
  exportAdapter,
  exportFormats,
  writeExport,
} from '../adapters/export.ts';
import { readAdapter } from '../adapters/import.ts';
import { inspectAdapter } from '../adapters/inspect.ts';
import { ParaError } from '../common/errors.ts';
import { pngText } from '../dataset/png-text.ts';
import { openBase } from '../diffusion/base.ts';
import { baseOrigin } from '../diffusion/checkpoint/weight-hashes.ts';
import { exportOnHost, putAdapter } from '../hosts/remote-adapters.ts';
import { findAdapter } from './find-adapter.ts';
import { refuseExisting } from './generate.ts';
import { withHost } from './host-run.ts';
import { bold, bytes, dim, say, tellReading } from './output.ts';

export interface ExportCommandOptions {
  readonly base: string;
  readonly format: string;
  readonly as?: string;
  readonly names?: string;
  readonly out: string;
  readonly host?: string;
}

/** `para export`: an adapter in another tool's layout; with `host` it is written there, beside its base. */
export async function exportCommand(path: string, options: ExportCommandOptions): Promise<void> {
  const format = oneOf(exportFormats, 'format', options.format);
  const as = options.as === undefined ? undefined : oneOf(['lora'] as const, 'as', options.as);
  const names =
    options.names === undefined ? undefined : oneOf(['ldm', 'diffusers'] as const, 'names', options.names);
  const how = { format, ...(as ? { as } : {}), ...(names ? { names } : {}) };
  refuseExisting(options.out, false);
  const { method, files } = options.host
    ? await exportThere(options.host, path, { base: options.base, ...how })
    : await exportHere(path, options.base, how);
  writeExport(options.out, files);
  say(`Wrote ${bold(options.out)} for ${options.base}`);
  if (as === 'lora' && method !== 'lora')
    say(dim(`Exactly the same as the adapter on ${options.base}; on any other base it is not.`));
}

type ExportHow = Pick<ExportOptions, 'format' | 'as' | 'names'>;

async function exportHere(
  path: string,
  baseName: string,
  how: ExportHow,
): Promise<{ method: string; files: ExportedFiles }> {
  const base = openBase(baseName);
  const source = findAdapter(path, process.cwd());
  const weights = baseWeights(base.unet);
  const { adapter } = readAdapter(source, weights.layers);
  checkBase(adapter, base, source);
  const origin = await baseOrigin(base.directory, tellReading);
  const options = { ...how, ...weights, ...(origin ? { origin } : {}) };
  return { method: adapter.method, files: exportAdapter(adapter, options) };
}

/** @param path an adapter or run of this machine, else the id of a job there */
async function exportThere(
  host: string,
  path: string,
  how: ExportHow & { base: string },
): Promise<{ method: string; files: ExportedFiles }> {
  return withHost(host, async (session) => {
    const { jobs } = await session.call('jobs/list', {});
    const source = jobs.some((job) => job.id === path)
      ? { job: path }
      : await putAdapter(session, findAdapter(path, process.cwd()));
    return exportOnHost(session, source, how);
  });
}

function oneOf<const T extends string>(known: readonly T[], where: string, given: string): T {
  const found = known.find((name) => name === given);
  if (found) return found;
  throw new ParaError('settings', `There is no ${where} "${given}"`, {
    where,
    hint: `choose: ${known.join(', ')}`,
  });
}

/** `para import`: a LoRA file or PEFT folder as our own adapter file. */
export function importCommand(path: string, options: { base: string; out: string; force?: boolean }): void {
  refuseExisting(options.out, options.force);
  const base = openBase(options.base);
  const { adapter, layout, ignored } = readAdapter(path, baseWeights(base.unet).layers);
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
  const { layers } = baseWeights(openBase(options.base).unet);
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
