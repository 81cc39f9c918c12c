// Shows whether an installation works: `node probe.js cpu|cuda` loads the image library and the runtime, decodes a
// small picture with the shipped base on that device, and says in one JSON line what came of it.
import { ParaError } from '../common/errors.ts';
import { defaultBase } from '../subject/name.ts';
import { toFailure } from './failure.ts';

/** Latents of the smallest picture. */
const edge = 4;

async function probe(device: string): Promise<void> {
  // Loaded here and not above: a library that does not load on this machine is one of the answers.
  const { deviceByName } = await import('../runtime/device.ts');
  const { openBase } = await import('../diffusion/base.ts');
  const { Vae } = await import('../diffusion/vae.ts');
  await import('../dataset/pictures.ts');
  const base = openBase(defaultBase);
  const vae = new Vae(base, { device: deviceByName(device).name });
  const data = new Float32Array(base.latentChannels * edge * edge);
  await vae.decode({ count: 1, channels: base.latentChannels, height: edge, width: edge, data });
}

try {
  await probe(process.argv[2] ?? 'cpu');
  console.log(JSON.stringify({ works: true }));
} catch (cause) {
  const error =
    cause instanceof ParaError
      ? cause
      : new ParaError('device', 'A library does not load', { where: `${cause}` });
  console.log(JSON.stringify({ works: false, failure: toFailure(error) }));
  process.exitCode = 1;
}
