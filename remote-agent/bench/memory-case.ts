// One case of the section `memory`, in a process of its own: the case as JSON in, its result as JSON out.
import { chooseLayers } from '../src/adapters/layers.ts';
import { methodByName } from '../src/adapters/methods.ts';
import { openBase } from '../src/diffusion/base.ts';
import { partSession } from '../src/diffusion/base-part.ts';
import { forwardGraph } from '../src/diffusion/denoiser.ts';
import type { Graph } from '../src/onnx/graph.ts';
import { encodeGraph } from '../src/onnx/io.ts';
import { createSession, type Session } from '../src/runtime/session.ts';
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
  /** Wall time of the last run, ms. */
  readonly ms: number;
}

async function open(what: MemoryCase): Promise<Session> {
  const base = openBase(what.base);
  const { batch, side } = what;
  const tokens = base.textEncoders[0]!.tokens;
  const sizes = { batch, latentHeight: side, latentWidth: side, tokens };
  if (what.what === 'unet')
    return createSession(encodeGraph(forwardGraph(base, sizes)), {
      device: 'cpu',
      externalDataDirectory: base.unet.weights,
    });
  if (what.what === 'decoder') return partSession(base.vaeDecoder, {});
  if (what.what === 'encoder') return partSession(base.vaeEncoder, {});
  const shapes = { ...sizes, latentChannels: base.latentChannels };
  const { graph, layers, inputs } = loadUnet(base, shapes);
  const method = methodByName(what.method!);
  const plan = method.plan(chooseLayers(layers, ['attention']), {});
  buildStepGraph(graph, { shapes, unet: inputs, method, plan, memory: what.memory! });
  return createStepSession(graph as Graph, { device: 'cpu', directory: base.unet.weights });
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
  let ms = 0;
  for (let i = 0; i < 3; i++) {
    const begin = performance.now();
    await session.run(feeds);
    ms = performance.now() - begin;
  }
  return { before, loaded, peak: resident('VmHWM'), ms };
}

console.log(JSON.stringify(await measure(JSON.parse(process.argv[2]!) as MemoryCase)));
