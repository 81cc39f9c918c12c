// Started by webgpu.test.ts with a driver for WebGPU in its environment: steps and a picture on a device, JSON out.
import { chooseLayers } from '../../src/adapters/layers.ts';
import { methodByName } from '../../src/adapters/methods.ts';
import type { ParaError } from '../../src/common/errors.ts';
import { Random } from '../../src/common/random.ts';
import { openBase } from '../../src/diffusion/base.ts';
import { Generator } from '../../src/diffusion/generate.ts';
import { encodeGraph, newGraph } from '../../src/onnx/io.ts';
import { DataType, valueInfo } from '../../src/onnx/types.ts';
import type { DeviceName } from '../../src/runtime/device.ts';
import { createGraphSession } from '../../src/runtime/graph-session.ts';
import { createSession } from '../../src/runtime/session.ts';
import { f32, toFloats } from '../../src/runtime/tensor.ts';
import { StepEngine } from '../../src/training/engine.ts';

export interface StepCase {
  readonly base: string;
  readonly method: 'lora' | 'para';
  readonly memory: 'fast' | 'lean';
  /** Height and width of the latents. */
  readonly side: number;
}

export interface PictureCase {
  readonly base: string;
  readonly steps: number;
}

/** What a device is asked for. */
export interface DeviceWork {
  readonly device: DeviceName;
  readonly steps: readonly StepCase[];
  readonly pictures: readonly PictureCase[];
}

export interface DeviceResults {
  readonly steps: readonly {
    readonly loss: number;
    /** In the parameters, f32 as base64. */
    readonly gradient: string;
    readonly placement?: string;
  }[];
  /** RGB, base64. */
  readonly pictures: readonly string[];
  /** What the device says to a graph in half precision; absent where it computes it. */
  readonly half?: { readonly code: string; readonly hint?: string | undefined };
  /** Attention of 64 queries, which the runtime would fuse, f32 as base64. */
  readonly attention: string;
  readonly cpuSeconds: number;
}

const values = (length: number, use: string) => {
  const random = new Random(5, use);
  return Float32Array.from({ length }, () => random.normal());
};
const base64 = ({ buffer, byteOffset, byteLength }: Float32Array | Uint8Array) =>
  Buffer.from(buffer, byteOffset, byteLength).toString('base64');

/** Kept loaded, so that shaders are compiled once for all of them. */
const kept: unknown[] = [];

async function step({ base: name, method: methodName, memory, side }: StepCase, device: DeviceName) {
  const base = openBase(name);
  const method = methodByName(methodName);
  const { tokens } = base.textEncoders[0]!;
  const engine = await StepEngine.create({
    ...{ base, method, memory, device },
    plan: (layers) => method.plan(chooseLayers(layers, 'attention'), {}),
    shapes: {
      ...{ batch: 1, latentChannels: base.latentChannels, latentHeight: side, latentWidth: side },
      tokens,
    },
  });
  kept.push(engine);
  const latent = base.latentChannels * side * side;
  const parameters = values(engine.plan.parameterCount, 'parameters').map((v) => v * 0.05);
  const coefficients = await engine.coefficients(parameters);
  const { loss, gradient } = await engine.run(coefficients, {
    noisy: values(latent, 'noisy'),
    target: values(latent, 'target'),
    weights: Float32Array.of(1),
    // The largest angles of the timestep's sines.
    timesteps: [981],
    hidden: values(tokens * base.unet.hiddenWidth, 'hidden'),
    pooled: values(base.unet.ports.pooled?.dims[1] ?? 0, 'pooled'),
    timeIds: new Float32Array(6).fill(1024),
  });
  const back = await engine.pullback(coefficients, gradient);
  return { loss, gradient: base64(back), ...(engine.placement ? { placement: engine.placement } : {}) };
}

async function picture({ base, steps }: PictureCase, device: DeviceName): Promise<string> {
  const generator = new Generator(openBase(base), { device });
  kept.push(generator);
  const [drawn] = await generator.generate({ prompt: 'a red apple', seed: 1, steps, guidance: 3 });
  return base64(drawn!.pixels);
}

/** Runs a graph whose values are halves, without the runtime's own casts around them. */
async function half(device: DeviceName): Promise<Pick<DeviceResults, 'half'>> {
  const graph = newGraph('half', 18);
  graph.addInput('x', DataType.FLOAT, [4]);
  const narrow = graph.add('Cast', ['x'], { attributes: { to: BigInt(DataType.FLOAT16) } });
  const sum = graph.add('Add', [narrow, narrow]);
  graph.push(graph.makeNode('Cast', [sum], { outputs: ['y'], attributes: { to: BigInt(DataType.FLOAT) } }));
  graph.setOutputs([valueInfo('y', DataType.FLOAT, [4])]);
  const session = await createSession(encodeGraph(graph), { device });
  try {
    await session.run({ x: f32([4], [1, 2, 3, 4]) });
    return {};
  } catch (cause) {
    const { code, hint } = cause as ParaError;
    return { half: { code, hint } };
  }
}

async function attention(device: DeviceName): Promise<string> {
  const graph = newGraph('attention', 18);
  graph.setOpset(1, 'com.microsoft');
  const names = ['q', 'k', 'v'];
  for (const name of names) graph.addInput(name, DataType.FLOAT, [2, 64, 16]);
  graph.push(
    graph.makeNode('MultiHeadAttention', names, {
      ...{ domain: 'com.microsoft', outputs: ['y'], attributes: { num_heads: 2n } },
    }),
  );
  graph.setOutputs([valueInfo('y', DataType.FLOAT, [2, 64, 16])]);
  const session = await createGraphSession(graph, { device });
  const { y } = await session.run(
    Object.fromEntries(names.map((name) => [name, f32([2, 64, 16], values(2 * 64 * 16, name))])),
  );
  return base64(toFloats(y!));
}

const work = JSON.parse(process.argv[2]!) as DeviceWork;
const steps = [];
for (const what of work.steps) steps.push(await step(what, work.device));
const pictures = [];
for (const what of work.pictures) pictures.push(await picture(what, work.device));
const { user, system } = process.cpuUsage();
const results: DeviceResults = {
  steps,
  pictures,
  ...(await half(work.device)),
  attention: await attention(work.device),
  cpuSeconds: (user + system) / 1e6,
};
process.stdout.write(`${JSON.stringify(results)}\n`, () => process.exit(0));
