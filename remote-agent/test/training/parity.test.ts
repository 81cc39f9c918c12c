import { describe, expect, it } from 'vitest';
import { expectGradients, expectNear, repeatSteps } from './against.ts';
import { golden, relativeError, tinyBase, tinyEngine, under } from './golden.ts';

describe('a step graph', () => {
  for (const [name, rank] of [
    ['lora', 4],
    ['para', 2],
  ] as const)
    it(`gives the loss and every ${name} gradient that PyTorch gives in f64`, async () => {
      const { tensors } = golden('training/gradients.safetensors');
      await expectGradients(await tinyEngine(name, rank, 2), name, tensors, 'tiny-optimum');
    });
});

describe('fifty training steps', () => {
  for (const name of ['lora', 'para'] as const)
    for (const optimiser of ['sgd', 'adamw'] as const)
      it(`follow PEFT's losses and weight update for ${name} under ${optimiser}`, async () => {
        const { tensors, metadata } = golden(`training/${name}-${optimiser}.safetensors`);
        expect(tensors.get('losses')!.data).toHaveLength(50);
        const engine = await tinyEngine(name, Number(metadata.rank), 1);
        const { worst, updates } = await repeatSteps(engine, tinyBase().unet.path, tensors, {
          ...{ name, optimiser, prediction: 'epsilon', rate: Number(metadata.rate) },
          ...{ start: 'start.', losses: 'losses' },
        });
        const deltas = under(tensors, 'delta.');
        const all = (map: (path: string) => ArrayLike<number>) =>
          [...deltas.keys()].flatMap((path) => Array.from(map(path)));
        const change = relativeError(
          all((p) => updates.get(p)!),
          all((p) => deltas.get(p)!.data),
        );
        expectNear(`tiny-optimum ${name} ${optimiser}`, optimiser, worst, change);
        await engine.release();
      });
});
