import { existsSync, readFileSync, statSync } from 'node:fs';
import { basename, extname, join } from 'node:path';
import { ParaError } from '../common/errors.ts';
import { type Adapter, decodeAdapter, isOwnFile } from './adapter.ts';
import { type ForeignLayer, readForeign } from './foreign-keys.ts';
import { infoFrom } from './info.ts';
import { ldmNames, underscored } from './layer-names.ts';
import type { FloatTensor, TargetLayer } from './method.ts';
import { type PeftSettings, readPeftSettings } from './peft-config.ts';
import { decodeSafetensors, type SafetensorsFile } from './safetensors.ts';

/** Where an adapter came from. */
export type AdapterLayout = 'para-studio' | 'peft' | 'diffusers' | 'kohya';

export interface ImportedAdapter {
  readonly adapter: Adapter;
  readonly layout: AdapterLayout;
  /** Keys that are not used, since only the U-Net is adapted: those of the text encoders. */
  readonly ignored: readonly string[];
}

/** What a PEFT folder holds: settings and tensors. */
export const peftFiles = ['adapter_config.json', 'adapter_model.safetensors'] as const;

/**
 * Reads an adapter of any known layout: our own file, a LoRA file of diffusers or kohya (diffusers or LDM names), or
 * a PEFT folder.
 * @param layers all layers of the base it is meant for; foreign names are resolved and shapes checked against them
 * @throws ParaError `safetensors` for damaged files, `adapter` for unknown kinds and layers that do not fit
 */
export function readAdapter(path: string, layers: readonly TargetLayer[]): ImportedAdapter {
  if (isFolder(path)) return fromPeftFolder(path, layers);
  const bytes = readBytes(path);
  const file = decodeSafetensors(bytes, path);
  if (isOwnFile(file.metadata))
    return { adapter: decodeAdapter(bytes, path), layout: 'para-studio', ignored: [] };
  return fromForeign(file, layers, path, settingsInMetadata(file, path), basename(path, extname(path)));
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}

function readBytes(path: string): Uint8Array {
  try {
    return readFileSync(path);
  } catch (cause) {
    throw new ParaError('adapter', 'The adapter cannot be read', {
      where: path,
      hint: 'check the path and its permissions',
      cause,
    });
  }
}

function fromPeftFolder(path: string, layers: readonly TargetLayer[]): ImportedAdapter {
  const [configPath, modelPath] = peftFiles.map((name) => join(path, name)) as [string, string];
  for (const needed of [configPath, modelPath])
    if (!existsSync(needed))
      throw new ParaError('adapter', `The folder holds no ${basename(needed)}`, {
        where: path,
        hint: `a PEFT folder has ${peftFiles.join(' and ')}`,
      });
  let config: unknown;
  try {
    config = JSON.parse(new TextDecoder().decode(readBytes(configPath)));
  } catch (cause) {
    if (cause instanceof ParaError) throw cause;
    throw new ParaError('adapter', 'The adapter configuration is not valid JSON', {
      where: configPath,
      cause,
    });
  }
  const settings = readPeftSettings(config, configPath);
  const file = decodeSafetensors(readBytes(modelPath), modelPath);
  return fromForeign(file, layers, modelPath, settings, basename(path));
}

/** Newer diffusers write PEFT's settings into the file, with the component's name before every key. */
function settingsInMetadata({ metadata }: SafetensorsFile, where: string): PeftSettings | undefined {
  const text = metadata.lora_adapter_metadata;
  if (text === undefined) return undefined;
  let all: unknown;
  try {
    all = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof all !== 'object' || all === null) return undefined;
  const entries = Object.entries(all);
  const unet = entries
    .filter(([key]) => key.startsWith('unet.'))
    .map(([key, value]) => [key.slice(5), value]);
  return readPeftSettings(Object.fromEntries(unet.length > 0 ? unet : entries), where);
}

function fromForeign(
  file: SafetensorsFile,
  layers: readonly TargetLayer[],
  where: string,
  settings: PeftSettings | undefined,
  title: string,
): ImportedAdapter {
  const { found, ignored, layout } = readForeign(file.tensors, where);
  const resolve = resolver(layers);
  const tensors = new Map<string, FloatTensor>();
  const scales = new Map<string, number>();
  const unknown: string[] = [];
  for (const foreign of found) {
    const layer = resolve(foreign.name);
    if (!layer) {
      unknown.push(foreign.name);
      continue;
    }
    for (const [name, tensor] of fitted(foreign, layer, where)) {
      if (tensors.has(name))
        throw new ParaError('adapter', `The file adapts the layer ${layer.path} twice, under two names`, {
          where,
        });
      tensors.set(name, tensor);
    }
    const rank = foreign.down?.dims[0] ?? 1;
    const scale =
      foreign.alpha === undefined ? (settings?.scale(layer.path, rank) ?? 1) : foreign.alpha / rank;
    if (foreign.down && scale !== 1) scales.set(layer.path, scale);
  }
  if (unknown.length > 0)
    throw new ParaError(
      'adapter',
      `The base has no layer ${unknown[0]}${unknown.length > 1 ? ` (and ${unknown.length - 1} more)` : ''}`,
      {
        where,
        hint: 'the adapter was made for another base',
      },
    );
  if (tensors.size === 0)
    throw new ParaError('adapter', 'The file adapts no layer of the U-Net', {
      where,
      hint: ignored.length > 0 ? 'it adapts text encoders only' : 'it is no LoRA file of a known layout',
    });
  const method = found.some((layer) => layer.basis) ? 'para' : 'lora';
  const info = infoFrom(file.metadata);
  return {
    adapter: {
      method,
      tensors,
      scales,
      info: { ...info, title: info.title || title },
      metadata: file.metadata,
    },
    layout,
    ignored,
  };
}

/** Finds the layer that a name of any style means, separators aside. */
function resolver(layers: readonly TargetLayer[]): (name: string) => TargetLayer | undefined {
  const byName = new Map<string, TargetLayer>();
  const ldm = ldmNames(layers.map(({ path }) => path));
  for (const layer of layers) {
    byName.set(underscored(layer.path), layer);
    const old = ldm.get(layer.path);
    if (old !== undefined) byName.set(underscored(old), layer);
  }
  return (name) => {
    // Old diffusers files name the attention processor and leave out the index of to_out.
    const plain = underscored(name).replace('_processor_', '_');
    return byName.get(plain) ?? byName.get(`${plain}_0`);
  };
}

/** The layer's tensors with the shapes that its kind has here. */
function fitted(foreign: ForeignLayer, layer: TargetLayer, where: string): [string, FloatTensor][] {
  const { path, dIn, dOut, kind, kernel = [1, 1] } = layer;
  const refuse = (shape: readonly number[]): never => {
    throw new ParaError(
      'adapter',
      `The shape [${shape}] does not fit the layer ${path} (${dIn} to ${dOut})`,
      {
        where,
        hint: 'the adapter was made for another base',
      },
    );
  };
  if (foreign.basis) {
    const { dims } = foreign.basis;
    if (dims.length !== 2 || dims[0] !== dOut) return refuse(dims);
    return [[`${path}.para_B.weight`, foreign.basis]];
  }
  const down = foreign.down!;
  const up = foreign.up!;
  const rank = down.dims[0] ?? 0;
  if (rank === 0 || down.data.length !== rank * dIn * kernel[0] * kernel[1] || down.dims[1] !== dIn)
    return refuse(down.dims);
  if (up.dims[0] !== dOut || up.dims[1] !== rank || up.data.length !== dOut * rank) return refuse(up.dims);
  const conv = kind === 'conv';
  return [
    [`${path}.lora_A.weight`, { dims: conv ? [rank, dIn, ...kernel] : [rank, dIn], data: down.data }],
    [`${path}.lora_B.weight`, { dims: conv ? [dOut, rank, 1, 1] : [dOut, rank], data: up.data }],
  ];
}
