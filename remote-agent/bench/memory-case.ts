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
import { resident } from './memory.ts';
import { feedsOf, openStepSession, stepShapes } from './step-case.ts';

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

async function open(base: Base, what: MemoryCase): Promise<Session> {
  if (what.what === 'unet') return openUnet(base, stepShapes(base, what));
  if (what.what === 'decoder') return partSession(base.vaeDecoder, { memoryPattern: false });
  if (what.what === 'encoder') return partSession(base.vaeEncoder, { memoryPattern: false });
  const { batch, side, method, memory } = what;
  return (await openStepSession(base, { batch, side, method: method!, memory: memory! })).session;
}

function estimate(base: Base, what: MemoryCase): number {
  const sizes = stepShapes(base, what);
  if (what.what === 'unet') return forwardBytes(base, sizes);
  if (what.what === 'decoder')
    return vaeBytes(base.vaeDecoder, [1, base.latentChannels, what.side, what.side]);
  if (what.what === 'encoder') {
    const pixels = what.side * base.vaeFactor;
    return vaeBytes(base.vaeEncoder, [1, 3, pixels, pixels], base.vaeFactor);
  }
  const method = methodByName(what.method!);
  const plan = (layers: readonly Layer[]) => method.plan(chooseLayers(layers, ['attention']), {});
  return trainingBytes(base, sizes, what.memory!, { method, plan });
}

async function measure(what: MemoryCase): Promise<MemoryResult> {
  const before = resident('VmRSS');
  const base = openBase(what.base);
  const session = await open(base, what);
  const loaded = resident('VmRSS');
  const pixels = what.what === 'encoder' ? what.side * base.vaeFactor : what.side;
  const channels = what.what === 'encoder' ? 3 : base.latentChannels;
  const feeds =
    what.what === 'decoder' || what.what === 'encoder'
      ? feedsOf(base, session.inputs, () => [1, channels, pixels, pixels])
      : feedsOf(base, session.inputs);
  for (let i = 0; i < 2; i++) await session.run(feeds);
  const peak = resident('VmHWM');
  // Afterwards, since to estimate takes memory too.
  return { before, loaded, peak, estimated: processBytes + estimate(base, what) };
}

console.log(JSON.stringify(await measure(JSON.parse(process.argv[2]!) as MemoryCase)));
