import { ParaError } from '../common/errors.ts';
import type { Graph } from '../onnx/graph.ts';
import { DataType } from '../onnx/types.ts';
import type { ElementType } from '../runtime/tensor.ts';

/** An input or output as the model file declares it; symbolic or missing dimensions are `undefined`. */
export interface GraphPort {
  readonly name: string;
  readonly type: ElementType;
  readonly dims: readonly (number | undefined)[];
}

const elementTypes: Partial<Record<DataType, ElementType>> = {
  [DataType.FLOAT]: 'float32',
  [DataType.FLOAT16]: 'float16',
  [DataType.DOUBLE]: 'float64',
  [DataType.INT64]: 'int64',
  [DataType.INT32]: 'int32',
  [DataType.UINT8]: 'uint8',
  [DataType.BOOL]: 'bool',
};

function ports(values: Graph['inputs'], skip?: ReadonlyMap<string, unknown>): GraphPort[] {
  return values
    .filter((value) => !skip?.has(value.name))
    .map((value) => {
      const tensor = value.type?.value.case === 'tensorType' ? value.type.value.value : undefined;
      const type = elementTypes[(tensor?.elemType ?? 0) as DataType];
      if (!type)
        throw new ParaError('base', `"${value.name}" has an element type that is not supported`, {
          where: value.name,
          hint: 'export the model with float32 or float16',
        });
      const dims = (tensor?.shape?.dim ?? []).map((d) =>
        d.value.case === 'dimValue' ? Number(d.value.value) : undefined,
      );
      return { name: value.name, type, dims };
    });
}

/** Inputs that must be fed (initializers listed as inputs, as old files do, are left out). */
export const inputPorts = (graph: Graph): GraphPort[] => ports(graph.inputs, graph.initializers);
export const outputPorts = (graph: Graph): GraphPort[] => ports(graph.outputs);

/** The port that has one of the names, else the only one that `fits`. */
export function choosePort(
  part: string,
  role: string,
  list: readonly GraphPort[],
  names: readonly string[],
  fits: (port: GraphPort) => boolean,
): GraphPort {
  const found = findPort(list, names, fits);
  if (found) return found;
  throw new ParaError('base', `The ${part} has no ${role}`, {
    where: part,
    hint: `it has ${list.map((p) => `${p.name} [${p.dims.map((d) => d ?? '?').join(', ')}]`).join(', ')}; export it again with its usual names`,
  });
}

/** Like `choosePort`, for a port that a base may lack. */
export function findPort(
  list: readonly GraphPort[],
  names: readonly string[],
  fits: (port: GraphPort) => boolean,
): GraphPort | undefined {
  for (const name of names) {
    const named = list.find((p) => p.name === name);
    if (named) return named;
  }
  const fitting = list.filter(fits);
  return fitting.length === 1 ? fitting[0] : undefined;
}

/** Names of the U-Net's inputs and output, as found in its file. */
export interface UnetPorts {
  /** [B, C, h, w] */
  readonly sample: GraphPort;
  /** [] or [1] or [B] */
  readonly timestep: GraphPort;
  /** [B, tokens, width] */
  readonly hidden: GraphPort;
  /** [B, width of the pooled projection]; SDXL only */
  readonly pooled: GraphPort | undefined;
  /** [B, 6]; SDXL only */
  readonly timeIds: GraphPort | undefined;
  /** [B, C, h, w] */
  readonly output: GraphPort;
}

export function unetPorts(graph: Graph): UnetPorts {
  const inputs = inputPorts(graph);
  const rank = (n: number) => (p: GraphPort) => p.dims.length === n;
  const pooled = findPort(inputs, ['text_embeds'], () => false);
  const timeIds = findPort(inputs, ['time_ids'], () => false);
  const found: UnetPorts = {
    sample: choosePort('unet', 'picture input', inputs, ['sample', 'latent_sample', 'x'], rank(4)),
    timestep: choosePort(
      'unet',
      'timestep input',
      inputs,
      ['timestep', 'timesteps', 't'],
      (p) => p.dims.length <= 1,
    ),
    hidden: choosePort('unet', 'text input', inputs, ['encoder_hidden_states', 'context'], rank(3)),
    pooled,
    timeIds,
    output: choosePort('unet', 'output', outputPorts(graph), ['out_sample', 'sample'], rank(4)),
  };
  const known = new Set(
    [found.sample, found.timestep, found.hidden, found.pooled, found.timeIds].map((p) => p?.name),
  );
  const strange = inputs.filter((p) => !known.has(p.name));
  if (strange.length > 0)
    throw new ParaError(
      'base',
      `The U-Net has inputs of an unknown kind: ${strange.map((p) => p.name).join(', ')}`,
      {
        where: 'unet',
        hint: 'only plain text-to-image U-Nets are supported (no ControlNet, inpainting or image prompts)',
      },
    );
  return found;
}

/** Names of a text encoder's input and outputs. */
export interface TextPorts {
  readonly ids: GraphPort;
  /** A mask that some exports ask for: 1 for every token, as diffusers gives none. */
  readonly mask: GraphPort | undefined;
  /** States that condition the U-Net: [B, tokens, width]. */
  readonly hidden: GraphPort;
  /** Pooled projection [B, width], where this encoder has one. */
  readonly pooled: GraphPort | undefined;
}

/**
 * Finds the outputs of a text encoder. `penultimate` chooses the states before the last layer (SDXL), else the last
 * normed states (SD 1.5). Exporters either number the states (`hidden_states.N`), keep only the wanted ones, or name
 * nothing and keep the order last_hidden_state, then all states.
 */
export function textPorts(graph: Graph, part: string, layers: number, penultimate: boolean): TextPorts {
  const inputs = inputPorts(graph);
  const outputs = outputPorts(graph);
  const ids = choosePort(part, 'token input', inputs, ['input_ids', 'ids', 'tokens'], (p) =>
    /^int/.test(p.type),
  );
  const mask = inputs.find((p) => p.name === 'attention_mask');
  const pooled = findPort(outputs, ['text_embeds'], () => false);
  const hidden = penultimate
    ? penultimateStates(outputs, layers)
    : findPort(outputs, ['last_hidden_state'], (p) => p.dims.length === 3);
  if (!hidden)
    throw new ParaError('base', `The ${part} does not give its second last hidden states`, {
      where: part,
      hint: `it gives ${outputs.map((p) => p.name).join(', ')}; export it with hidden states (output_hidden_states=True)`,
    });
  return { ids, mask, hidden, pooled };
}

function penultimateStates(outputs: readonly GraphPort[], layers: number): GraphPort | undefined {
  const numbered = outputs
    .map((port) => ({ port, number: /hidden_states?[._]?(\d+)$/.exec(port.name)?.[1] }))
    .filter((o) => o.number !== undefined)
    .sort((a, b) => Number(a.number) - Number(b.number));
  if (numbered.length >= 2) {
    const wanted = numbered.find((o) => Number(o.number) === layers - 1) ?? numbered.at(-2);
    return wanted?.port;
  }
  const states = outputs.filter((p) => p.dims.length === 3);
  const others = states.filter((p) => p.name !== 'last_hidden_state');
  if (others.length === 1) return others[0];
  // last_hidden_state, then the embedding and the states after each layer.
  return states.length === layers + 2 ? states.at(-2) : undefined;
}
