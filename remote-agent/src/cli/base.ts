import { existsSync } from 'node:fs';
import { isAbsolute } from 'node:path';
import { defined } from '../common/defined.ts';
import { ParaError } from '../common/errors.ts';
import type { Base } from '../diffusion/base.ts';
import { checkBase } from '../diffusion/base-check.ts';
import { type CheckpointChoices, importBase } from '../diffusion/base-import.ts';
import {
  checkHostBase,
  deleteHostBase,
  type HostBaseSource,
  type HostImportProgress,
  importBaseOnHost,
  listHostBases,
} from '../hosts/remote-bases.ts';
import { type ImportProgress, importRemote } from '../hub/import.ts';
import { parseRemote, type RemoteSource, tokenFor, usualEndpoint } from '../hub/source.ts';
import type { BaseCheck, BaseInfo } from '../protocol/contract/bases.ts';
import { deleteBase } from '../server/bases/places.ts';
import { baseCheck, baseInfos } from '../server/bases/reports.ts';
import { withHost } from './host-run.ts';
import { interruptible } from './interrupt.ts';
import { bold, bytes, green, Progress, red, say, tellReading } from './output.ts';

/** `para base list`: the bases here, or those of a host. */
export async function baseListCommand({ host }: OnHost): Promise<void> {
  const bases = host === undefined ? baseInfos() : await withHost(host, listHostBases);
  for (const { name, bytes: size, architecture, width, height, hash, problem } of bases)
    say(
      problem === undefined && architecture !== undefined
        ? `${name.padEnd(24)} ${architecture.padEnd(5)} ${`${width}x${height}`.padEnd(10)} ${bytes(size).padStart(9)}  ${hash.slice(0, 12)}`
        : `${name.padEnd(24)} ${red(problem ?? 'unreadable')}`,
    );
}

/** `para base delete NAME`: takes a base that was imported away again. */
export async function baseDeleteCommand(name: string, { host }: OnHost): Promise<void> {
  const known = (bases: readonly BaseInfo[]) => {
    if (!bases.some((base) => base.name === name))
      throw new ParaError('base', `There is no base "${name}"`, {
        where: host ?? 'here',
        hint: `there are: ${bases.map((base) => base.name).join(', ')}`,
      });
  };
  const here = () => {
    known(baseInfos());
    return deleteBase(name);
  };
  const freed =
    host === undefined
      ? here()
      : await withHost(host, async (session) => {
          known(await listHostBases(session));
          return deleteHostBase(session, name);
        });
  say(`deleted ${name}: ${bytes(freed)} are free again`);
}

/** Where a command works: on a host, or here. */
export interface OnHost {
  readonly host?: string;
}

export interface BaseImportOptions extends OnHost {
  readonly name?: string;
  readonly endpoint?: string;
  readonly revision?: string;
  /** The place is a folder of the host. */
  readonly there?: boolean;
  readonly vae?: string;
  readonly textEncoders?: string;
  readonly prediction?: 'epsilon' | 'v';
  readonly zeroTerminalSnr?: boolean;
}

const checkpointChoices = ({
  vae,
  textEncoders,
  prediction,
  zeroTerminalSnr,
}: BaseImportOptions): CheckpointChoices =>
  defined<CheckpointChoices>({ vae, textEncoders, prediction, zeroTerminalSnr });

/** `para base import PATH|URL|OWNER/NAME`: a checkpoint or folder here, one at an address, or a model of a hub. */
export async function baseImportCommand(place: string, options: BaseImportOptions): Promise<void> {
  const source = baseSource(place, options);
  if (source && Object.keys(checkpointChoices(options)).length > 0)
    throw new ParaError('base', 'Only a checkpoint that is here, or on the host, can get parts of others', {
      where: place,
      hint: 'download the checkpoint, then import it with these options',
    });
  if (options.host !== undefined) return importThere(options.host, place, source, options);
  const base = source
    ? await fetchBase(source, options.name)
    : importBase(place, options.name, checkpointChoices(options));
  say(`${green('imported')} ${base.name}  ${base.directory}`);
}

/** Imports on a host: what it fetches itself, a folder that it has, or one from here. */
async function importThere(
  host: string,
  place: string,
  remote: RemoteSource | undefined,
  { name, there, ...options }: BaseImportOptions,
): Promise<void> {
  const isThere = there || (!existsSync(place) && isAbsolute(place));
  const source: HostBaseSource = remote ?? {
    kind: isThere ? 'path' : 'here',
    path: place,
    ...checkpointChoices(options),
  };
  const shown = new ShownImport();
  const show = (progress: HostImportProgress) => shown.update(progress);
  try {
    const base = await interruptible(
      (signal) =>
        withHost(host, (session) =>
          importBaseOnHost(session, source, show, { signal, ...(name === undefined ? {} : { name }) }),
        ),
      ['SIGINT'],
    );
    shown.stop();
    say(`${green('imported')} ${base.name} on ${host}  ${bytes(base.bytes)}  ${base.hash.slice(0, 12)}`);
  } finally {
    shown.stop();
  }
}

/** How far an import is, a bar for each phase; before a download, how much it is. */
class ShownImport {
  #bar: Progress | undefined;
  #phase = '';

  update({ phase, file, doneBytes, totalBytes }: HostImportProgress): void {
    if (phase !== this.#phase) {
      this.stop();
      const isDownload = phase === 'downloading';
      if (isDownload && totalBytes !== undefined) {
        const here = doneBytes > 0 ? ` (${bytes(doneBytes)} are here already)` : '';
        say(`to download: ${bytes(totalBytes - doneBytes)}${here}`);
      }
      this.#bar = new Progress(phase, totalBytes ?? 0, isDownload ? doneBytes : 0, 'bytes');
      this.#phase = phase;
    }
    this.#bar?.update(doneBytes, file);
  }

  stop(): void {
    this.#bar?.stop();
  }
}

/** What is fetched for a place that is no path, with what the options and the environment say of hub and token. */
export function baseSource(
  place: string,
  { endpoint, revision }: Omit<BaseImportOptions, 'name'>,
): RemoteSource | undefined {
  const source = parseRemote(place);
  if (!source) return undefined;
  if (source.kind === 'url') {
    const token = tokenFor(source.url, false);
    return token ? { ...source, token } : source;
  }
  const hub = endpoint ?? source.endpoint ?? usualEndpoint();
  const token = tokenFor(hub, endpoint !== undefined);
  return {
    ...{ ...source, endpoint: hub },
    ...(revision ? { revision } : {}),
    ...(token ? { token } : {}),
  };
}

async function fetchBase(source: RemoteSource, name: string | undefined): Promise<Base> {
  const shown = new ShownImport();
  const onProgress = (progress: ImportProgress) => {
    if (progress.phase === 'downloading') shown.update(progress);
  };
  try {
    return await interruptible((signal) => importRemote(source, { name, signal, onProgress }), ['SIGINT']);
  } finally {
    shown.stop();
  }
}

/** `para base check NAME|PATH`: what every part is, and what does not work; returns the exit code. */
export async function baseCheckCommand(
  nameOrPath: string,
  { host, full = false }: OnHost & { readonly full?: boolean },
): Promise<number> {
  const report =
    host === undefined
      ? baseCheck(await checkBase(nameOrPath, { full, onRead: tellReading }))
      : await withHost(host, (session) => checkHostBase(session, nameOrPath, full));
  return printCheck(report);
}

function printCheck({ facts, parts, layers, memory, weights, problems, name, hash }: BaseCheck): number {
  say(bold(`${name}  ${facts?.architecture ?? 'unknown architecture'}  ${hash?.slice(0, 12) ?? ''}`));
  if (facts)
    say(
      `pictures ${facts.width}x${facts.height} in steps of ${facts.sizeStep}; latents ${facts.latentChannels} channels, 1/${facts.vaeFactor} size, scale ${facts.scalingFactor}; ${facts.predictionType}; tokens ${facts.tokens.join(', ')}`,
    );
  for (const part of parts) {
    const ports = (list: typeof part.inputs) =>
      list.map((p) => `${p.name} ${p.type}[${p.dims.map((d) => d ?? '?').join(',')}]`).join('  ');
    say(
      `\n${bold(part.name)}  ${bytes(part.bytes)}, ${part.parameters} parameters as ${part.precision.join(', ')}, opset ${part.opset}, ${part.exporter}`,
    );
    say(`  in   ${ports(part.inputs)}`);
    say(`  out  ${ports(part.outputs)}`);
    for (const note of part.notes) say(`  note ${note}`);
  }
  if (layers) {
    say(`\nadaptable layers: ${layers.linear} linear, ${layers.conv} convolutions`);
    for (const [preset, count] of Object.entries(layers.presets)) say(`  ${preset.padEnd(14)} ${count}`);
    if (layers.unnamed.length > 0) say(`  without a name: ${layers.unnamed.length}`);
  }
  if (memory) {
    const { generation, training, leanTraining, unetWeights } = memory;
    const trained =
      training && leanTraining ? `, training ${bytes(training)} (lean: ${bytes(leanTraining)})` : '';
    say(
      `\nestimated memory: generation ${bytes(generation)}${trained}; U-Net weights are ${bytes(unetWeights)} of it`,
    );
  }
  if (weights?.length === 0) say('\nits weights are its own: its hash covers every byte');
  for (const { file, bytes: size, sha256, autoV1 } of weights ?? [])
    say(`\n${file}  ${bytes(size)}\n  sha256 ${sha256}\n  AutoV2 ${sha256.slice(0, 10)}  AutoV1 ${autoV1}`);
  for (const { part, what, hint, prevents } of problems)
    say(
      `\n${red('problem')} in ${part}: ${what} (prevents ${prevents})${hint ? `\n  what to do: ${hint}` : ''}`,
    );
  if (problems.length === 0) say(`\n${green('everything works')}`);
  return problems.length === 0 ? 0 : 1;
}
