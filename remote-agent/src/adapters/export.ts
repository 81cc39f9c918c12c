import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ParaError } from '../common/errors.ts';
import { makeFolder, writeFileAtomic } from '../common/files.ts';
import { type Adapter, metadataOf, operatorsOf } from './adapter.ts';
import { asLora, type ReadWeight } from './as-lora.ts';
import type { BaseOrigin } from './info.ts';
import { ldmNames, underscored } from './layer-names.ts';
import type { Addition, FloatTensor, Projection, TargetLayer } from './method.ts';
import { peftDeftConfig, peftLoraConfig } from './peft-config.ts';
import { encodeSafetensors } from './safetensors.ts';

/** Layouts in which adapters leave. */
export type ExportFormat = 'peft' | 'diffusers' | 'kohya';

/** Names of the layouts. */
export const exportFormats: readonly ExportFormat[] = ['peft', 'diffusers', 'kohya'];

export interface ExportOptions {
  readonly format: ExportFormat;
  /** Write a projection as the LoRA that it equals on its base. */
  readonly as?: 'lora';
  /** kohya only: layer names; default `ldm` for SDXL (as kohya's trainer writes it), else `diffusers`. */
  readonly names?: 'ldm' | 'diffusers';
  /** All layers of the base and its weights. */
  readonly layers: readonly TargetLayer[];
  readonly readWeight: ReadWeight;
  /** The files that the base was imported from, where other tools know them. */
  readonly origin?: BaseOrigin;
}

/** Files of an export by name; a single-file layout has the one name `''`. */
export type ExportedFiles = ReadonlyMap<string, Uint8Array>;

/**
 * Writes an adapter in another tool's layout.
 * @throws ParaError `adapter` when the layout cannot hold the method, with what to do instead
 */
export function exportAdapter(made: Adapter, options: ExportOptions): ExportedFiles {
  const { origin } = options;
  const adapter = origin ? { ...made, info: { ...made.info, origin } } : made;
  const wanted = options.as === 'lora' ? asLora(adapter, options.layers, options.readWeight) : adapter;
  if (wanted.method === 'para' && options.format === 'peft') return peftDeft(wanted, options.layers);
  if (wanted.method !== 'lora')
    throw new ParaError('adapter', `The ${options.format} layout cannot hold the method ${wanted.method}`, {
      hint: 'add --as lora: on its own base the result is exactly the same',
    });
  if (options.format === 'peft') return peftLora(wanted);
  return new Map([['', options.format === 'kohya' ? kohya(wanted, options) : diffusers(wanted)]]);
}

/** An addition with its matrices in the shapes that files give them: 4-D for convolutions. */
interface Pair {
  readonly addition: Addition;
  readonly down: FloatTensor;
  readonly up: FloatTensor;
}

function pairs(adapter: Adapter): Pair[] {
  return operatorsOf(adapter).flatMap((addition) => {
    if (addition.kind !== 'addition') return [];
    const down = adapter.tensors.get(`${addition.path}.lora_A.weight`)!;
    const up = adapter.tensors.get(`${addition.path}.lora_B.weight`)!;
    return [{ addition, down, up }];
  });
}

function kohya(adapter: Adapter, { layers, names }: ExportOptions): Uint8Array {
  const paths = layers.map(({ path }) => path);
  const style = names ?? (paths.some((path) => path.startsWith('add_embedding.')) ? 'ldm' : 'diffusers');
  const ldm = style === 'ldm' ? ldmNames(paths) : undefined;
  const tensors = new Map<string, FloatTensor>();
  const found = pairs(adapter);
  const [first] = found;
  const alike = found.every(
    ({ addition: { rank, scale } }) => rank === first!.addition.rank && scale === first!.addition.scale,
  );
  // diffusers gives attention layers the most common alpha, whatever the file says of them (seen in 0.35).
  for (const { path, rank, scale, down, up } of alike ? found.map(asItIs) : ofOneRank(found)) {
    const name = ldm ? ldm.get(path) : path;
    if (name === undefined)
      throw new ParaError('adapter', `The layer ${path} has no name in the LDM layout`, {
        where: path,
        hint: 'export with diffusers names',
      });
    const stem = `lora_unet_${underscored(name)}`;
    tensors.set(`${stem}.lora_down.weight`, down);
    tensors.set(`${stem}.lora_up.weight`, up);
    tensors.set(`${stem}.alpha`, { dims: [], data: Float32Array.of(scale * rank) });
  }
  return encodeSafetensors(tensors, metadataOf(adapter, tensors));
}

/**
 * diffusers knows no alpha in this layout: it takes one rank and alpha for all layers unless metadata of newer
 * versions say otherwise. So all layers get one rank, which every version and other readers take alike.
 */
function diffusers(adapter: Adapter): Uint8Array {
  const tensors = new Map<string, FloatTensor>();
  for (const { path, down, up } of ofOneRank(pairs(adapter))) {
    const stem = `unet.${path}`;
    tensors.set(`${stem}.lora_A.weight`, down);
    tensors.set(`${stem}.lora_B.weight`, up);
  }
  return encodeSafetensors(tensors, { format: 'pt', ...metadataOf(adapter, tensors) });
}

/** A layer's matrices as a file holds them; what they add is `scale * up * down`. */
interface FilePair {
  readonly path: string;
  readonly rank: number;
  readonly scale: number;
  readonly down: FloatTensor;
  readonly up: FloatTensor;
}

function asItIs({ addition: { path, rank, scale }, down, up }: Pair): FilePair {
  return { path, rank, scale, down, up };
}

/** The same additions with one rank and scale 1 everywhere: zeros fill, and `up` takes up the scale. */
function ofOneRank(found: readonly Pair[]): FilePair[] {
  const rank = found.reduce((most, { addition }) => Math.max(most, addition.rank), 0);
  return found.map(({ addition, down, up }) => ({
    path: addition.path,
    rank,
    scale: 1,
    down: moreRows(down, rank),
    up: scaledToRank(up, addition, rank),
  }));
}

function moreRows({ dims, data }: FloatTensor, rank: number): FloatTensor {
  const wide = new Float32Array((data.length / dims[0]!) * rank);
  wide.set(data);
  return { dims: [rank, ...dims.slice(1)], data: wide };
}

function scaledToRank(
  { dims, data }: FloatTensor,
  { dOut, rank, scale }: Addition,
  room: number,
): FloatTensor {
  const wide = new Float32Array(dOut * room);
  for (let o = 0; o < dOut; o++)
    for (let k = 0; k < rank; k++) wide[o * room + k] = scale * data[o * rank + k]!;
  return { dims: [dOut, room, ...dims.slice(2)], data: wide };
}

function peftLora(adapter: Adapter): ExportedFiles {
  const found = pairs(adapter);
  const tensors = new Map<string, FloatTensor>();
  for (const { addition, down, up } of found) {
    const stem = `base_model.model.${addition.path}`;
    tensors.set(`${stem}.lora_A.weight`, down);
    tensors.set(`${stem}.lora_B.weight`, up);
  }
  const config = peftLoraConfig(found.map(({ addition }) => addition));
  return peftFolder(config, tensors, adapter);
}

/** PEFT's own form of PaRa: `DeftConfig(para=True, decomposition_method="qr")`, linear layers of one rank. */
function peftDeft(adapter: Adapter, layers: readonly TargetLayer[]): ExportedFiles {
  const projections = operatorsOf(adapter).filter((o): o is Projection => o.kind === 'projection');
  const kinds = new Map(layers.map(({ path, kind }) => [path, kind]));
  const ranks = new Set(projections.map(({ rank }) => rank));
  if (ranks.size !== 1 || projections.some(({ path }) => kinds.get(path) === 'conv'))
    throw new ParaError('adapter', "PEFT's own PaRa holds linear layers of one rank only", {
      hint: `this adapter has the ranks ${[...ranks].sort((a, b) => a - b).join(', ')}; add --as lora: on its own base the result is exactly the same`,
    });
  const tensors = new Map<string, FloatTensor>();
  for (const { path } of projections)
    tensors.set(`base_model.model.${path}.deft_P`, adapter.tensors.get(`${path}.para_B.weight`)!);
  const config = peftDeftConfig(
    projections.map(({ path }) => path),
    [...ranks][0]!,
  );
  return peftFolder(config, tensors, adapter);
}

function peftFolder(
  config: object,
  tensors: ReadonlyMap<string, FloatTensor>,
  adapter: Adapter,
): ExportedFiles {
  return new Map([
    ['adapter_config.json', new TextEncoder().encode(`${JSON.stringify(config, null, 2)}\n`)],
    [
      'adapter_model.safetensors',
      encodeSafetensors(tensors, { format: 'pt', ...metadataOf(adapter, tensors) }),
    ],
  ]);
}

/**
 * Writes what `exportAdapter` made: one file at `path`, or a folder there.
 * @throws ParaError `exists` when something is there already, `disk` when it cannot be written
 */
export function writeExport(path: string, files: ExportedFiles): void {
  if (existsSync(path))
    throw new ParaError('exists', 'The output is there already', {
      where: path,
      hint: 'choose another name or remove it first',
    });
  const single = files.get('');
  if (single) {
    writeFileAtomic(path, single);
    return;
  }
  makeFolder(path);
  try {
    for (const [name, bytes] of files) writeFileAtomic(join(path, name), bytes);
  } catch (cause) {
    rmSync(path, { recursive: true, force: true });
    throw cause;
  }
}
