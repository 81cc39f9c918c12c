import { ParaError } from '../common/errors.ts';
import type { Addition } from './method.ts';

/** `adapter_config.json` for these additions; PEFT matches patterns against whole module paths. */
export function peftLoraConfig(additions: readonly Addition[]): object {
  const { rank = 1, scale = 1 } = additions[0] ?? {};
  const alphaOf = (a: Addition) => a.scale * a.rank;
  const others = additions.filter((a) => a.rank !== rank);
  const otherAlphas = additions.filter((a) => alphaOf(a) !== rank * scale);
  return {
    peft_type: 'LORA',
    task_type: null,
    base_model_name_or_path: null,
    inference_mode: true,
    r: rank,
    lora_alpha: rank * scale,
    lora_dropout: 0,
    bias: 'none',
    fan_in_fan_out: false,
    use_rslora: false,
    use_dora: false,
    target_modules: additions.map(({ path }) => path),
    rank_pattern: Object.fromEntries(others.map((a) => [pattern(a.path), a.rank])),
    alpha_pattern: Object.fromEntries(otherAlphas.map((a) => [pattern(a.path), alphaOf(a)])),
  };
}

/** Anchored at the start, so that no longer path ending the same way is meant as well. */
const pattern = (path: string) => `^${path.replaceAll('.', '\\.')}`;

/** `adapter_config.json` for PEFT's PaRa. */
export function peftDeftConfig(paths: readonly string[], rank: number): object {
  return {
    peft_type: 'DEFT',
    task_type: null,
    base_model_name_or_path: null,
    inference_mode: true,
    r: rank,
    para: true,
    decomposition_method: 'qr',
    target_modules: paths,
  };
}

/** What an `adapter_config.json` says that the tensors do not. */
export interface PeftSettings {
  readonly method: 'lora' | 'para';
  /** Scale of a layer of this rank. */
  scale(path: string, rank: number): number;
}

/**
 * Reads an `adapter_config.json`, or the settings that newer diffusers write into a file's metadata.
 * @throws ParaError `adapter` for kinds of adapters that are neither LoRA nor PaRa
 */
export function readPeftSettings(config: unknown, where: string): PeftSettings {
  const fail = (what: string, hint = 'only plain LoRA and PaRa can be imported'): never => {
    throw new ParaError('adapter', what, { where, hint });
  };
  if (typeof config !== 'object' || config === null || Array.isArray(config))
    return fail('The adapter configuration is not a JSON object');
  const settings = config as Record<string, unknown>;
  const kind = settings.peft_type ?? 'LORA';
  if (kind === 'DEFT') {
    if (settings.para !== true || settings.decomposition_method !== 'qr')
      return fail('The DEFT adapter is not a PaRa with QR decomposition');
    return { method: 'para', scale: () => 1 };
  }
  if (kind !== 'LORA') return fail(`The adapter is of PEFT's kind ${JSON.stringify(kind)}`);
  if (settings.use_dora === true) return fail('The adapter is a DoRA');
  const alpha = settings.lora_alpha;
  if (alpha !== undefined && !Number.isFinite(alpha)) return fail('lora_alpha is not a number');
  const patterns = Object.entries((settings.alpha_pattern ?? {}) as Record<string, unknown>);
  if (patterns.some(([, value]) => !Number.isFinite(value)))
    return fail('alpha_pattern holds something else than numbers');
  const matchers = patterns.map(([key, value]) => [matcherOf(key), value as number] as const);
  const root = settings.use_rslora === true;
  return {
    method: 'lora',
    scale(path, rank) {
      const found = matchers.find(([matches]) => matches(path))?.[1] ?? alpha ?? rank;
      return (found as number) / (root ? Math.sqrt(rank) : rank);
    },
  };
}

/**
 * Keys of a pattern are whole paths or their ends; a regular expression of the file's own is not run, since it could
 * take for ever: escapes and anchors are taken off and the rest is compared.
 */
function matcherOf(key: string): (path: string) => boolean {
  const anchored = key.startsWith('^');
  const plain = key.replace(/^\^/, '').replace(/\$$/, '').replaceAll('\\.', '.');
  return (path) => path === plain || (!anchored && path.endsWith(`.${plain}`));
}
