import { type Adapter, adapterFrom } from '../../src/adapters/adapter.ts';
import { type ExportedFiles, exportAdapter } from '../../src/adapters/export.ts';
import { chooseLayers } from '../../src/adapters/layers.ts';
import { methodByName } from '../../src/adapters/methods.ts';
import { normals } from '../../src/common/random.ts';
import { unetLayers, weightReader } from './golden-unet.ts';

const info = {
  title: 'backpack',
  baseName: 'tiny',
  baseHash: 'b'.repeat(64),
  architecture: 'stable-diffusion-xl-v1-base',
  predictionType: 'epsilon',
  subject: 'backpack',
  triggerWords: ['zwx backpack'],
  date: '2026-01-02T03:04:05Z',
  seed: 7,
  steps: 200,
  learningRate: 0.001,
  resolution: [512, 512] as const,
  comment: 'made by a test',
  thumbnail: 'data:image/png;base64,iVBORw0KGgo=',
};

/**
 * Adapters on the tiny U-Net: `para` has a rank that follows each layer's width and reaches convolutions, `uniform`
 * is a PaRa of rank 2 on attention alone, `lora` has rank 3 and scale 2 and reaches convolutions.
 */
export function sampleAdapter(kind: 'para' | 'uniform' | 'lora'): Adapter {
  const layers = chooseLayers(unetLayers(), kind === 'uniform' ? 'attention' : ['attention', 'author']);
  const method = methodByName(kind === 'lora' ? 'lora' : 'para');
  const plan = method.plan(
    layers,
    kind === 'lora' ? { rank: 3, alpha: 6 } : { gamma: 0.2, rank: kind === 'uniform' ? 2 : 3 },
  );
  return adapterFrom(
    plan,
    normals(3, kind, plan.parameterCount).map((x) => x * 0.1),
    info,
  );
}

let made: Map<string, ExportedFiles> | undefined;

/** Exports of the sample adapters in every layout, by case name. */
export function exportedCases(): Map<string, ExportedFiles> {
  made ??= makeCases();
  return made;
}

function makeCases(): Map<string, ExportedFiles> {
  const common = { layers: unetLayers(), readWeight: weightReader() };
  const [para, uniform, lora] = (['para', 'uniform', 'lora'] as const).map(sampleAdapter) as [
    Adapter,
    Adapter,
    Adapter,
  ];
  return new Map([
    ['lora-peft', exportAdapter(lora, { ...common, format: 'peft' })],
    ['lora-diffusers', exportAdapter(lora, { ...common, format: 'diffusers' })],
    ['lora-kohya', exportAdapter(lora, { ...common, format: 'kohya', names: 'diffusers' })],
    ['lora-kohya-ldm', exportAdapter(lora, { ...common, format: 'kohya' })],
    ['para-peft', exportAdapter(para, { ...common, format: 'peft', as: 'lora' })],
    ['para-diffusers', exportAdapter(para, { ...common, format: 'diffusers', as: 'lora' })],
    ['para-kohya', exportAdapter(para, { ...common, format: 'kohya', as: 'lora', names: 'diffusers' })],
    ['para-kohya-ldm', exportAdapter(para, { ...common, format: 'kohya', as: 'lora' })],
    ['uniform-peft', exportAdapter(uniform, { ...common, format: 'peft' })],
  ]);
}
