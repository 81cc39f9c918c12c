// One case of the section `memory`, in a process of its own: the case as JSON in, its result as JSON out.
import { chooseLayers } from '../src/adapters/layers.ts';
import { methodByName } from '../src/adapters/methods.ts';
import { type Base, openBase } from '../src/diffusion/base.ts';
import { forwardBytes, vaeBytes } from '../src/diffusion/base-memory.ts';
import { partSession } from '../src/diffusion/base-part.ts';
import { openUnet } from '../src/diffusion/denoiser.ts';
import { processBytes, trainingBytes } from '../src/diffusion/training-memory.ts';
import type { Layer } from '../src/onnx/modules.ts';
import type { Session } from '../src/runtime/session.ts';
import { sizeOf, type Tensor } from '../src/runtime/tensor.ts';
import { loadUnet } from '../src/training/engine.ts';
import { buildStepGraph, stepNames } from '../src/training/step-graph.ts';
import { createStepSession } from '../src/training/step-session.ts';
import { resident } from './memory.ts';
import { wave } from './numbers.ts';

/** A session whose memory is measured. */
export interface MemoryCase {
  readonly what: 'step' | 'unet' | 'decoder' | 'encoder';
  readonly base: string;
  readonly batch: number;
  /** Height and width of the latents. */
  readonly side: number;
  readonly method?: 'para' | 'lora';
  readonly memory?: 'fast' | 'lean';
}
/** Bytes. */
export interface MemoryResult {
  /** What the process held before the graph was read. */
  readonly before: number;
  /** With the session loaded. */
  readonly loaded: number;
  /** The most over the whole process. */
  readonly peak: number;
  /** What the project estimates of the session and its process. */
  readonly estimated: number;
}

async function open(what: MemoryCase): Promise<Session> {
  const base = openBase(what.base);
  const { batch, side } = what;
  const tokens = base.textEncoders[0]!.tokens;
  const sizes = { batch, latentHeight: side, latentWidth: side, tokens };
  if (what.what === 'unet') return openUnet(base, sizes);
  if (what.what === 'decoder') return partSession(base.vaeDecoder, { memoryPattern: false });
  if (what.what === 'encoder') return partSession(base.vaeEncoder, { memoryPattern: false });
  const shapes = { ...sizes, latentChannels: base.latentChannels };
  const { graph, layers, inputs } = loadUnet(base, shapes);
  const method = methodByName(what.method!);
  const plan = method.plan(chooseLayers(layers, ['attention']), {});
  buildStepGraph(graph, { shapes, unet: inputs, method, plan, memory: what.memory! });
  return createStepSession(graph, { device: 'cpu', directory: base.unet.weights });
}

function estimate(base: Base, what: MemoryCase): number {
  const { batch, side: latentHeight } = what;
  const sizes = { batch, latentHeight, latentWidth: latentHeight, tokens: base.textEncoders[0]!.tokens };
  if (what.what === 'unet') return forwardBytes(base, sizes);
  if (what.what === 'decoder')
    return vaeBytes(base.vaeDecoder, [1, base.latentChannels, latentHeight, latentHeight]);
  if (what.what === 'encoder') {
    const pixels = latentHeight * base.vaeFactor;
    return vaeBytes(base.vaeEncoder, [1, 3, pixels, pixels]);
  }
  const method = methodByName(what.method!);
  const plan = (layers: readonly Layer[]) => method.plan(chooseLayers(layers, ['attention']), {});
  return trainingBytes(base, sizes, what.memory!, { method, plan });
}

async function measure(what: MemoryCase): Promise<MemoryResult> {
  const before = resident('VmRSS');
  const session = await open(what);
  const base = openBase(what.base);
  const loaded = resident('VmRSS');
  const feeds: Record<string, Tensor> = {};
  for (const { name, type, dims } of session.inputs) {
    const pixels = what.what === 'encoder' ? what.side * base.vaeFactor : what.side;
    const channels = what.what === 'encoder' ? 3 : base.latentChannels;
    const shape =
      what.what === 'decoder' || what.what === 'encoder'
        ? [1, channels, pixels, pixels]
        : (dims as readonly number[]);
    const data =
      name === base.unet.ports.timestep.name
        ? wave(sizeOf(shape), 0).fill(500)
        : wave(sizeOf(shape), name === stepNames.coefficients ? 0.05 : 1);
    feeds[name] =
      type === 'int64'
        ? { type, dims: shape, data: BigInt64Array.from(data, (v) => BigInt(Math.round(v))) }
        : ({ type: 'float32', dims: shape, data } as Tensor);
  }
  for (let i = 0; i < 2; i++) await session.run(feeds);
  const peak = resident('VmHWM');
  // Afterwards, since to estimate takes memory too.
  return { before, loaded, peak, estimated: processBytes + estimate(base, what) };
}

console.log(JSON.stringify(await measure(JSON.parse(process.argv[2]!) as MemoryCase)));
