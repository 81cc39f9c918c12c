import { createHash } from 'node:crypto';
import { ParaError } from '../common/errors.ts';
import { writeFileAtomic } from '../common/files.ts';
import { type AdapterInfo, infoFrom } from './info.ts';
import type { AdapterPlan, FloatTensor, LayerOperator, MethodName } from './method.ts';
import { methodByName, methodNames } from './methods.ts';
import { decodeSafetensors, encodeSafetensors } from './safetensors.ts';

/** An adapter in memory, whatever file it came from. */
export interface Adapter {
  readonly method: MethodName;
  /** `<module path>.<part>`, see `Method.tensors`. */
  readonly tensors: ReadonlyMap<string, FloatTensor>;
  /** Factor of each layer's addition by module path; 1 where absent. */
  readonly scales: ReadonlyMap<string, number>;
  readonly info: AdapterInfo;
  /** All metadata of the file it was read from. */
  readonly metadata: Readonly<Record<string, string>>;
}

const formatName = 'para-studio.adapter/1';
const prefix = 'unet.';

/** The adapter that a trained parameter vector stands for. */
export function adapterFrom(plan: AdapterPlan, parameters: Float32Array, info: AdapterInfo): Adapter {
  const scales = plan.scale === 1 ? [] : plan.layers.map(({ path }) => [path, plan.scale] as const);
  const tensors = methodByName(plan.method).tensors(plan, parameters);
  return { method: plan.method, tensors, scales: new Map(scales), info, metadata: {} };
}

/** What the adapter does to each layer. @throws ParaError `adapter` when tensors do not fit together */
export function operatorsOf(adapter: Adapter): LayerOperator[] {
  return methodByName(adapter.method).operators(adapter.tensors, adapter.scales);
}

/** The adapter as our own file. Same adapter, same bytes. */
export function encodeAdapter(adapter: Adapter): Uint8Array {
  const tensors = new Map([...adapter.tensors].map(([name, tensor]) => [`${prefix}${name}`, tensor]));
  const scales = [...adapter.scales].sort(([a], [b]) => (a < b ? -1 : 1));
  const own: Record<string, string> = {
    'para_studio.format': formatName,
    'para_studio.method': adapter.method,
    ...(scales.length > 0 ? { 'para_studio.scales': JSON.stringify(Object.fromEntries(scales)) } : {}),
    ...(adapter.info.baseName ? { 'para_studio.base_name': adapter.info.baseName } : {}),
    ...(adapter.info.subject ? { 'para_studio.subject': adapter.info.subject } : {}),
  };
  return encodeSafetensors(tensors, { ...metadataOf(adapter, tensors), ...own });
}

/** Writes our own adapter file in one step. */
export function saveAdapter(path: string, adapter: Adapter): void {
  writeFileAtomic(path, encodeAdapter(adapter));
}

/** Whether these metadata are those of our own files. */
export const isOwnFile = (metadata: Readonly<Record<string, string>>): boolean =>
  Object.hasOwn(metadata, 'para_studio.format');

/** Reads our own adapter file. @throws ParaError `adapter` or `safetensors` for a file that is none */
export function decodeAdapter(bytes: Uint8Array, where: string): Adapter {
  const { tensors, metadata } = decodeSafetensors(bytes, where);
  const fail = (what: string): never => {
    throw new ParaError('adapter', what, {
      where,
      hint: 'make the file again, or import it with para import',
    });
  };
  if (metadata['para_studio.format'] !== formatName)
    return fail(
      `The format "${metadata['para_studio.format'] ?? 'unknown'}" of the adapter is not ${formatName}`,
    );
  const method = methodNames.find((name) => name === metadata['para_studio.method']);
  if (!method)
    return fail(`The adapter was made with the unknown method "${metadata['para_studio.method']}"`);
  const own = new Map<string, FloatTensor>();
  for (const [name, tensor] of tensors) {
    if (!name.startsWith(prefix))
      return fail(`The adapter holds the tensor ${name}, which belongs to no U-Net layer`);
    own.set(name.slice(prefix.length), tensor);
  }
  const adapter: Adapter = {
    method,
    tensors: own,
    scales: readScales(metadata['para_studio.scales'], fail),
    info: infoFrom(metadata),
    metadata,
  };
  const paths = new Set(operatorsOf(adapter).map(({ path }) => path));
  if (paths.size === 0) return fail('The adapter adapts no layer');
  for (const name of own.keys())
    if (![...partsOf(name)].some((path) => paths.has(path)))
      return fail(`The adapter holds the tensor ${name}, which ${method} does not know`);
  return adapter;
}

/** All beginnings of a name that could be its module path. */
function* partsOf(name: string): Generator<string> {
  for (let at = name.lastIndexOf('.'); at > 0; at = name.lastIndexOf('.', at - 1)) yield name.slice(0, at);
}

function readScales(text: string | undefined, fail: (what: string) => never): Map<string, number> {
  if (text === undefined) return new Map();
  try {
    const entries = Object.entries(JSON.parse(text) as Record<string, unknown>);
    if (entries.every(([, value]) => Number.isFinite(value))) return new Map(entries as [string, number][]);
  } catch {
    // Reported below with the rest.
  }
  return fail('The scales in the metadata are not numbers by layer');
}

/**
 * Metadata that other tools read (kohya's `ss_` and `sshs_` keys and the model spec), as far as known.
 * @param tensors those of the file that they are for
 */
export function metadataOf(
  adapter: Adapter,
  tensors: ReadonlyMap<string, FloatTensor>,
): Record<string, string> {
  const { info, method } = adapter;
  const ranks = rankSummary(adapter);
  const words = info.triggerWords?.join(', ');
  const size = info.resolution?.join('x');
  const candidates: Record<string, string | number | undefined> = {
    ss_network_module: method === 'lora' ? 'networks.lora' : `para_studio.${method}`,
    ss_network_dim: ranks.largest,
    ss_network_alpha: ranks.alpha,
    ss_base_model_version: info.architecture && baseVersions[info.architecture],
    // As kohya's trainer writes them, from the file; a base of another kind has a name and a hash of its own alone.
    ss_sd_model_name: info.origin?.checkpoint.file ?? info.baseName,
    ss_sd_model_hash: info.origin?.checkpoint.autoV1 ?? info.baseHash,
    ss_new_sd_model_hash: info.origin?.checkpoint.sha256,
    ss_vae_name: info.origin?.vae?.file,
    ss_vae_hash: info.origin?.vae?.autoV1,
    ss_new_vae_hash: info.origin?.vae?.sha256,
    'para_studio.base_name': info.origin && info.baseName,
    'para_studio.base_hash': info.baseHash,
    ss_resolution: info.resolution && `(${info.resolution.join(', ')})`,
    ss_unet_lr: info.learningRate,
    ss_seed: info.seed,
    ss_steps: info.steps,
    ss_tag_frequency: info.tagFrequency && JSON.stringify(info.tagFrequency),
    ss_training_comment: info.comment,
    sshs_model_hash: dataHash(tensors),
    'modelspec.sai_model_spec': '1.0.0',
    'modelspec.architecture': info.architecture && `${info.architecture}/${method}`,
    'modelspec.title': info.title,
    'modelspec.date': info.date,
    'modelspec.trigger_phrase': words,
    'modelspec.thumbnail': info.thumbnail,
    'modelspec.prediction_type': info.predictionType,
    'modelspec.resolution': size,
  };
  const found = Object.entries(candidates).filter(([, value]) => value !== undefined && value !== '');
  return Object.fromEntries(found.map(([key, value]) => [key, String(value)]));
}

const baseVersions: Readonly<Record<string, string>> = {
  'stable-diffusion-xl-v1-base': 'sdxl_base_v1-0',
  'stable-diffusion-v1': 'sd_v1',
};

/** Largest rank of the layers and, where every layer agrees, alpha. */
function rankSummary(adapter: Adapter): { largest: number; alpha: number | undefined } {
  const operators = operatorsOf(adapter);
  const largest = operators.reduce((most, { rank }) => Math.max(most, rank), 0);
  const alphas = new Set(operators.map((o) => (o.kind === 'addition' ? o.scale * o.rank : o.rank)));
  return { largest, alpha: alphas.size === 1 ? [...alphas][0] : undefined };
}

/** SHA-256 of the tensors as they lie in the file, by which A1111 and model sites know an adapter. */
function dataHash(tensors: ReadonlyMap<string, FloatTensor>): string {
  const hash = createHash('sha256');
  for (const name of [...tensors.keys()].sort()) {
    const { data } = tensors.get(name)!;
    hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  return hash.digest('hex');
}

/**
 * Refuses an adapter that was made for another base: a projection, or a LoRA that stands for one, is exact on its
 * own base only. Adapters that do not name a base pass.
 * @throws ParaError `adapter-base-mismatch` naming both bases
 */
export function checkBase(
  adapter: Adapter,
  base: { readonly name: string; readonly hash: string },
  where: string,
): void {
  const { baseHash, baseName } = adapter.info;
  if (baseHash === undefined || baseHash === base.hash) return;
  throw new ParaError('adapter-base-mismatch', `The adapter was made for another base`, {
    where,
    hint: `it needs ${baseName ?? 'a base'} (${baseHash.slice(0, 12)}), this is ${base.name} (${base.hash.slice(0, 12)})`,
  });
}
