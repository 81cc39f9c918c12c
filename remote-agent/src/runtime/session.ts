import './no-telemetry.ts';
import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import { ParaError } from '../common/errors.ts';
import { type Device, type DeviceName, deviceByName, deviceError } from './device.ts';
import { failureOf } from './failure-words.ts';
import { type Placement, ProfileFolder } from './placement.ts';
import { type ElementType, sizeOf, type Tensor } from './tensor.ts';

export interface SessionOptions {
  /** Default `cpu`. */
  readonly device?: DeviceName;
  /** Graph optimisation of the runtime; default `all` (forward graphs). Training graphs gain nothing past `extended`. */
  readonly optimization?: 'disabled' | 'basic' | 'extended' | 'all';
  /** Pre-planned memory: saves a little time, but doubles the peak of a training graph. Default true. */
  readonly memoryPattern?: boolean;
  /** Threads within an operator; default: one per physical core. */
  readonly threads?: number;
  /** Folder of external data for a model given as bytes (a model given as path has its own folder). */
  readonly externalDataDirectory?: string;
  /** Names of nodes that the device leaves to the CPU. */
  readonly leaveToCpu?: readonly string[];
  /** Lets the first run tell where each operator ran (see `Session.placement`); it takes longer then. */
  readonly tellPlacement?: boolean;
  /** Further runtime settings, e.g. `{ 'session.disable_prepacking': '1' }`. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** An input or output of a graph; symbolic dimensions are strings. */
export interface Port {
  readonly name: string;
  readonly type: ElementType;
  readonly dims: readonly (number | string)[];
}

/**
 * A loaded graph on one device. `run` blocks the thread of the process (the runtime's call is synchronous inside),
 * so long work belongs in a process of its own.
 */
export class Session {
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  readonly device: Device;
  readonly #session: InferenceSession;
  readonly #types: ReadonlyMap<string, ElementType>;
  #released = false;
  #profile: ProfileFolder | undefined;
  #placement: Placement | undefined;

  /** @param profile where the runtime profiles the session, until the first run is over */
  constructor(session: InferenceSession, device: Device, profile?: ProfileFolder) {
    this.#session = session;
    this.device = device;
    this.#profile = profile;
    this.inputs = session.inputMetadata.map(port);
    this.outputs = session.outputMetadata.map(port);
    this.#types = new Map(this.inputs.map((input) => [input.name, input.type]));
  }

  /**
   * Runs the graph once. Every input must be fed; the whole graph is computed whatever is fetched.
   * @param fetch names of the outputs wanted; default all
   * @throws ParaError `graph` when names, types or sizes do not fit or an operator fails, `memory` when the device's is full,
   *   `device` when it is lost
   */
  async run(
    feeds: Readonly<Record<string, Tensor>>,
    fetch?: readonly string[],
  ): Promise<Record<string, Tensor>> {
    if (this.#released) throw new ParaError('graph', 'The session was already released');
    const given: Record<string, OrtTensor> = {};
    for (const [name, tensor] of Object.entries(feeds)) given[name] = this.#feed(name, tensor);
    for (const { name } of this.inputs)
      if (!given[name])
        throw new ParaError('graph', `The graph's input "${name}" was not fed`, {
          hint: `it has the inputs ${this.inputs.map((i) => i.name).join(', ')}`,
        });
    let results: InferenceSession.OnnxValueMapType;
    try {
      results = await (fetch ? this.#session.run(given, [...fetch]) : this.#session.run(given));
    } catch (cause) {
      const known = knownFailure(this.device, cause);
      if (known) throw known;
      throw new ParaError('graph', `The graph failed while running: ${firstLine(cause)}`, { cause });
    }
    this.#endProfile();
    const out: Record<string, Tensor> = {};
    for (const [name, value] of Object.entries(results)) out[name] = fromOrt(value as OrtTensor, name);
    return out;
  }

  #endProfile(): void {
    if (!this.#profile) return;
    try {
      this.#session.endProfiling();
      this.#placement = this.#profile.take();
    } catch {
      // It is a report, not worth a run.
      this.#profile.remove();
    }
    this.#profile = undefined;
  }

  /** Where each operator ran in the first run, for a session that was to tell; `undefined` before. */
  get placement(): Placement | undefined {
    return this.#placement;
  }

  #feed(name: string, tensor: Tensor): OrtTensor {
    const expected = this.#types.get(name);
    if (!expected)
      throw new ParaError('graph', `The graph has no input "${name}"`, {
        hint: `it has the inputs ${[...this.#types.keys()].join(', ')}`,
      });
    if (expected !== tensor.type)
      throw new ParaError('graph', `The input "${name}" takes ${expected}, not ${tensor.type}`);
    if (sizeOf(tensor.dims) !== tensor.data.length)
      throw new ParaError(
        'graph',
        `The input "${name}" has ${tensor.data.length} elements for the shape [${tensor.dims.join(', ')}]`,
      );
    return toOrt(tensor);
  }

  /** Frees the memory of the session; it cannot run afterwards. Calling it again does nothing. */
  async release(): Promise<void> {
    if (this.#released) return;
    this.#released = true;
    await this.#session.release();
    // The runtime writes the profile of a session that never ran when it ends.
    this.#profile?.remove();
  }
}

/**
 * Loads a model from a path (external data beside it) or from bytes (external data in `externalDataDirectory`).
 * @throws ParaError `device` when the provider is missing, `model-file` when the runtime refuses the model, `memory` when the
 *   device's is full
 */
export async function createSession(
  model: Uint8Array | string,
  options: SessionOptions = {},
): Promise<Session> {
  const device = deviceByName(options.device ?? 'cpu');
  const folder = typeof model === 'string' ? undefined : options.externalDataDirectory;
  const extra = nested({
    ...options.settings,
    ...(folder ? { 'session.model_external_initializers_file_folder_path': folder } : {}),
  });
  const profile = options.tellPlacement ? new ProfileFolder() : undefined;
  const settings: InferenceSession.SessionOptions = {
    executionProviders: providersOf(device, options.leaveToCpu ?? []),
    graphOptimizationLevel: options.optimization ?? 'all',
    enableMemPattern: options.memoryPattern ?? true,
    ...(options.threads ? { intraOpNumThreads: options.threads } : {}),
    logSeverityLevel: 3,
    ...(profile ? { enableProfiling: true, profileFilePrefix: profile.prefix } : {}),
    extra,
  };
  try {
    const made =
      typeof model === 'string'
        ? await InferenceSession.create(model, settings)
        : await InferenceSession.create(model, settings);
    return new Session(made, device, profile);
  } catch (cause) {
    profile?.remove();
    const known = knownFailure(device, cause);
    if (known) throw known;
    if (providerMissing(device, cause)) throw deviceError(device, cause);
    throw new ParaError('model-file', `The runtime cannot load the model: ${firstLine(cause)}`, {
      ...(typeof model === 'string' ? { where: model } : {}),
      hint: 'the file is damaged, or an operator in it is not known to this runtime',
      cause,
    });
  }
}

/** What the runtime said as an error of the house, where it speaks of memory or of what the device cannot do. */
function knownFailure(device: Device, cause: unknown): ParaError | undefined {
  const said = cause instanceof Error ? cause.message : String(cause);
  const failure = failureOf(said);
  if (failure?.kind === 'memory') {
    const asked =
      failure.asked === undefined ? [] : [`${Math.ceil(failure.asked / 1e6)} MB more were asked for`];
    const where = [...asked, ...(failure.node ? [`by ${failure.node}`] : [])].join(' ');
    return new ParaError('memory', `The memory of the device "${device.name}" is full`, {
      ...(where ? { where } : {}),
      hint: 'end other programs that use it, or ask for less: a smaller size or batch',
      cause,
    });
  }
  if (failure?.kind === 'device')
    return new ParaError('device', `The device "${device.name}" failed: ${failure.what}`, {
      where: firstLine(cause),
      hint: 'start again: what was saved is kept. Where it happens again, look for "Xid" in the kernel log (dmesg), and update the driver',
      cause,
    });
  if (/requires f16 but the device/.test(said))
    return new ParaError('device', 'This GPU does not compute in half precision', {
      where: firstLine(cause),
      hint: 'ask for f32: "training.precision" of the subject, --precision of a drawing',
      cause,
    });
  return undefined;
}

/** The runtime takes no empty list of nodes. */
function providersOf(device: Device, leaveToCpu: readonly string[]) {
  return device.providers.map((name, i) =>
    i === 0 && leaveToCpu.length > 0 ? { name, forceCpuNodeNames: [...leaveToCpu] } : name,
  );
}

/** Dotted keys as objects within objects, which is how the runtime's package takes them. */
function nested(settings: Readonly<Record<string, string>>): Record<string, Record<string, string>> {
  const found: Record<string, Record<string, string>> = {};
  for (const [key, value] of Object.entries(settings)) {
    const dot = key.indexOf('.');
    const group = key.slice(0, dot);
    found[group] = { ...found[group], [key.slice(dot + 1)]: value };
  }
  return found;
}

function providerMissing(device: Device, cause: unknown): boolean {
  if (device.name === 'cpu') return false;
  const said = String(cause).toLowerCase();
  return /backend not found|provider|cuda|cudnn|libonnxruntime_providers|webgpu|dawn|adapter/.test(said);
}

function firstLine(cause: unknown): string {
  const said = cause instanceof Error ? cause.message : String(cause);
  return said.split('\n')[0]!.slice(0, 400);
}

function port(metadata: InferenceSession.ValueMetadata): Port {
  if (!metadata.isTensor)
    throw new ParaError('model-file', `"${metadata.name}" is not a tensor`, {
      hint: 'only graphs over plain tensors are supported',
    });
  return { name: metadata.name, type: metadata.type as ElementType, dims: [...metadata.shape] };
}

function toOrt(tensor: Tensor): OrtTensor {
  return new OrtTensor(tensor.type as 'float32', tensor.data as Float32Array, [...tensor.dims]);
}

function fromOrt(tensor: OrtTensor, name: string): Tensor {
  const { type, dims } = tensor;
  switch (type) {
    case 'float32':
    case 'float64':
    case 'int64':
    case 'int32':
    case 'uint8':
    case 'bool':
      return { type, dims: [...dims], data: tensor.data } as Tensor;
    case 'float16': {
      // Node 24 has a Float16Array of its own; here the bits are kept.
      const raw = tensor.data as unknown as Uint16Array;
      return { type, dims: [...dims], data: new Uint16Array(raw.buffer, raw.byteOffset, raw.length) };
    }
    default:
      throw new ParaError('graph', `The output "${name}" has the unsupported type ${type}`);
  }
}
