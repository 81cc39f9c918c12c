import { adapterFrom, saveAdapter } from '../adapters/adapter.ts';
import type { AdapterPlan } from '../adapters/method.ts';
import type { Base } from '../diffusion/base.ts';
import type { TrainSpec } from '../subject/train-spec.ts';

/** Writes the adapter of a moment; everything in the file follows from the spec and the parameters. */
export function saveAdapterFile(
  path: string,
  spec: TrainSpec,
  base: Base,
  plan: AdapterPlan,
  parameters: Float32Array,
  step: number,
  thumbnail?: string,
): void {
  saveAdapter(
    path,
    adapterFrom(plan, parameters, {
      title: `${spec.subject} (${spec.method.name})`,
      baseName: base.name,
      baseHash: base.hash,
      ...(base.architecture === 'sdxl'
        ? { architecture: 'stable-diffusion-xl-v1-base' }
        : { architecture: 'stable-diffusion-v1' }),
      predictionType: base.predictionType === 'epsilon' ? 'epsilon' : 'v',
      subject: spec.subject,
      triggerWords: [spec.trigger],
      date: spec.createdAt,
      seed: spec.training.seed,
      steps: step,
      ...(thumbnail === undefined ? {} : { thumbnail }),
      learningRate: spec.training.learningRate,
      resolution: [spec.training.resolution ?? base.width, spec.training.resolution ?? base.height],
    }),
  );
}
