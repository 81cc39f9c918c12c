import { type Adapter, adapterFrom } from '../../src/adapters/adapter.ts';
import { baseWeights } from '../../src/adapters/base-weights.ts';
import { type ExportedFiles, exportAdapter } from '../../src/adapters/export.ts';
import { chooseLayers } from '../../src/adapters/layers.ts';
import { methodByName } from '../../src/adapters/methods.ts';
import { normals } from '../../src/common/random.ts';
import type { Base } from '../../src/diffusion/base.ts';
import { baseOrigin } from '../../src/diffusion/checkpoint/weight-hashes.ts';

/** A random adapter on the attention layers, and (LoRA) convolutions, of an imported checkpoint. */
export function randomAdapter(base: Base, kind: 'lora' | 'para'): Adapter {
  const { layers } = baseWeights(base.unet);
  const chosen = chooseLayers(layers, kind === 'lora' ? ['attention', 'author'] : 'attention');
  const plan = methodByName(kind).plan(
    chosen,
    kind === 'lora' ? { rank: 4, alpha: 2 } : { gamma: 0.1, rank: 2 },
  );
  const values = normals(5, kind, plan.parameterCount).map((x) => x * 0.1);
  const architecture = base.architecture === 'sdxl' ? 'stable-diffusion-xl-v1-base' : 'stable-diffusion-v1';
  return adapterFrom(plan, values, { title: 'random', baseName: base.name, architecture });
}

/** What other tools are given of it, by case. */
export async function checkpointExports(base: Base): Promise<Map<string, ExportedFiles>> {
  const origin = await baseOrigin(base.directory);
  const common = { ...baseWeights(base.unet), ...(origin ? { origin } : {}) };
  const [lora, para] = [randomAdapter(base, 'lora'), randomAdapter(base, 'para')];
  return new Map([
    ['lora-kohya', exportAdapter(lora, { ...common, format: 'kohya' })],
    ['lora-diffusers', exportAdapter(lora, { ...common, format: 'diffusers' })],
    ['para-kohya', exportAdapter(para, { ...common, format: 'kohya', as: 'lora' })],
  ]);
}
