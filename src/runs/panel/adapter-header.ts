import { readHeader } from '../../../remote-agent/src/adapters/safetensors-header.ts';
import { ParaError } from '../../../remote-agent/src/common/errors.ts';
import { inEnglish, type Translate } from '../../../remote-agent/src/common/translate.ts';

/** One layer of an adapter, as the shapes of its tensors tell. */
export interface AdapterLayer {
  /** Module path in the base. */
  readonly path: string;
  readonly kind: 'linear' | 'conv';
  readonly rank: number;
  /** Channels; PaRa's tensors do not tell those that come in. */
  readonly inputs?: number;
  readonly outputs: number;
  readonly parameters: number;
}

/** What an adapter file says of itself without its numbers. */
export interface AdapterHeader {
  readonly method: 'para' | 'lora' | undefined;
  readonly bytes: number;
  readonly parameters: number;
  readonly layers: readonly AdapterLayer[];
  readonly metadata: Readonly<Record<string, string>>;
}

/** The ranks of an adapter's layers, lowest and highest; `undefined` where it has no layers. */
export function rankWords({ layers }: AdapterHeader): string | undefined {
  const ranks = layers.map(({ rank }) => rank);
  const [low, high] = [Math.min(...ranks), Math.max(...ranks)];
  return ranks.length === 0 ? undefined : low === high ? String(low) : `${low}\u2013${high}`;
}

/** Reads the head of an adapter file of any size. @throws ParaError `safetensors` where it is none */
export async function readAdapterHeader(path: string, t: Translate = inEnglish): Promise<AdapterHeader> {
  const { bytes, tensors, metadata } = await readHeader(path).catch((cause: unknown) => {
    throw new ParaError('safetensors', t('This is no adapter file'), { where: path, cause });
  });
  const shapes = new Map([...tensors].map(([name, { dims }]) => [name, dims]));
  const layers = [...shapes].flatMap(([name, shape]) => layerOf(name, shape, shapes) ?? []);
  const parameters = [...shapes.values()].reduce((sum, shape) => sum + size(shape), 0);
  const method = metadata['para_studio.method'];
  return {
    method: method === 'para' || method === 'lora' ? method : undefined,
    ...{ bytes, parameters, layers, metadata },
  };
}

const size = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);

/** The layer of its main tensor: PaRa's B [out, rank]; LoRA's down [rank, in, ...] beside its up [out, rank, ...]. */
function layerOf(
  name: string,
  shape: readonly number[],
  shapes: ReadonlyMap<string, readonly number[]>,
): AdapterLayer | undefined {
  const para = /^(?:unet\.)?(.*)\.para_B\.weight$/.exec(name);
  if (para)
    return {
      ...{ path: para[1]!, kind: 'linear', outputs: shape[0] ?? 0, rank: shape[1] ?? 0 },
      parameters: size(shape),
    };
  const down = /^(.*)\.lora_(A|down)\.weight$/.exec(name);
  if (!down) return undefined;
  const up = shapes.get(`${down[1]}.lora_${down[2] === 'A' ? 'B' : 'up'}.weight`) ?? [];
  return {
    path: down[1]!.replace(/^unet\./, ''),
    kind: shape.length > 2 ? 'conv' : 'linear',
    ...{ rank: shape[0] ?? 0, inputs: shape[1] ?? 0, outputs: up[0] ?? 0 },
    parameters: size(shape) + size(up),
  };
}
