import type { Base } from '../diffusion/base.ts';
import { checkBase } from '../diffusion/base-check.ts';
import { importBase, listBases } from '../diffusion/base-import.ts';
import { importRemote } from '../hub/import.ts';
import { parseRemote, type RemoteSource, usualToken } from '../hub/source.ts';
import { bold, bytes, green, Progress, red, say } from './output.ts';

/** `para base list`. */
export function baseListCommand(): void {
  for (const { name, bytes: size, base, problem } of listBases())
    say(
      base
        ? `${name.padEnd(24)} ${base.architecture.padEnd(5)} ${`${base.width}x${base.height}`.padEnd(10)} ${bytes(size).padStart(9)}  ${base.hash.slice(0, 12)}`
        : `${name.padEnd(24)} ${red(problem ?? 'unreadable')}`,
    );
}

export interface BaseImportOptions {
  readonly name?: string;
  readonly endpoint?: string;
  readonly revision?: string;
}

/** `para base import PATH|URL|OWNER/NAME`: a folder here, an archive, or a model of a hub. */
export async function baseImportCommand(place: string, options: BaseImportOptions): Promise<void> {
  const source = baseSource(place, options);
  const base = source ? await fetchBase(source, options.name) : importBase(place, options.name);
  say(`${green('imported')} ${base.name}  ${base.directory}`);
}

/** What is fetched for a place that is no path, with what the options and the environment say of hub and token. */
export function baseSource(
  place: string,
  { endpoint, revision }: Omit<BaseImportOptions, 'name'>,
): RemoteSource | undefined {
  const source = parseRemote(place);
  if (!source) return undefined;
  const token = usualToken();
  return source.kind === 'url'
    ? source
    : {
        ...source,
        ...(endpoint ? { endpoint } : {}),
        ...(revision ? { revision } : {}),
        ...(token ? { token } : {}),
      };
}

async function fetchBase(source: RemoteSource, name: string | undefined): Promise<Base> {
  const control = new AbortController();
  const stop = () => control.abort();
  process.on('SIGINT', stop);
  let bar: Progress | undefined;
  try {
    return await importRemote(source, {
      ...{ name, signal: control.signal },
      onProgress: ({ phase, file, doneBytes, totalBytes }) => {
        if (phase !== 'downloading') return;
        bar ??= new Progress('download', megabytes(totalBytes ?? 0), 0, 'MB');
        bar.update(megabytes(doneBytes), file);
      },
    });
  } finally {
    process.off('SIGINT', stop);
    bar?.stop();
  }
}

const megabytes = (bytes: number) => Math.round(bytes / 1e6);

/** `para base check NAME|PATH`: what every part is, and what does not work; returns the exit code. */
export async function baseCheckCommand(nameOrPath: string): Promise<number> {
  const { base, parts, layers, memory, problems, name, hash } = await checkBase(nameOrPath);
  say(bold(`${name}  ${base?.architecture ?? 'unknown architecture'}  ${hash?.slice(0, 12) ?? ''}`));
  if (base)
    say(
      `pictures ${base.width}x${base.height} in steps of ${base.sizeStep}; latents ${base.latentChannels} channels, 1/${base.vaeFactor} size, scale ${base.scalingFactor}; ${base.predictionType}; tokens ${base.textEncoders.map((e) => e.tokens).join(', ')}`,
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
  if (memory)
    say(
      `\nestimated memory: generation ${bytes(memory.generation)}, training ${bytes(memory.training)} (U-Net weights ${bytes(memory.unetWeights)})`,
    );
  for (const { part, what, hint, prevents } of problems)
    say(
      `\n${red('problem')} in ${part}: ${what} (prevents ${prevents})${hint ? `\n  what to do: ${hint}` : ''}`,
    );
  if (problems.length === 0) say(`\n${green('everything works')}`);
  return problems.length === 0 ? 0 : 1;
}
