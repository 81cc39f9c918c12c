import { expect, it } from 'vitest';
import { chooseLayers } from '../../src/adapters/layers.ts';
import { methodByName } from '../../src/adapters/methods.ts';
import { Random } from '../../src/common/random.ts';
import { openBase } from '../../src/diffusion/base.ts';
import { StepEngine } from '../../src/training/engine.ts';
import { goldenPath, relativeError } from './golden.ts';

const base = openBase(goldenPath('bases/tiny-optimum'));
const side = 8;
const shapes = {
  ...{ batch: 1, latentChannels: base.latentChannels, latentHeight: side, latentWidth: side },
  tokens: base.textEncoders[0]!.tokens,
};
const values = (length: number, use: string) => {
  const random = new Random(5, use);
  return Float32Array.from({ length }, () => random.normal());
};
const latent = base.latentChannels * side * side;
const batch = {
  noisy: values(latent, 'noisy'),
  target: values(latent, 'target'),
  weights: Float32Array.of(1),
  timesteps: [100],
  hidden: values(shapes.tokens * base.unet.hiddenWidth, 'hidden'),
  pooled: values(base.unet.ports.pooled?.dims[1] ?? 0, 'pooled'),
  timeIds: new Float32Array(6).fill(64),
};

interface Setting {
  readonly bases: 'device' | 'processor';
  readonly name?: 'para' | 'lora';
  readonly precision?: 'f32' | 'f16';
  readonly memory?: 'fast' | 'lean';
  readonly lossOnly?: boolean;
}

/** Loss of a step and its gradient in the parameters. */
async function step({ name = 'para', ...setting }: Setting) {
  const method = methodByName(name);
  const engine = await StepEngine.create({
    ...{ base, method, shapes, device: 'cpu' as const, ...setting },
    plan: (layers) => method.plan(chooseLayers(layers, 'attention'), {}),
  });
  const parameters = values(engine.plan.parameterCount, 'parameters').map((v) => v * 0.05);
  const coefficients = await engine.coefficients(parameters);
  const { loss, gradient } = await engine.run(coefficients, batch, setting.precision === 'f16' ? 1024 : 1);
  const back = setting.lossOnly ? gradient : await engine.pullback(coefficients, gradient);
  await engine.release();
  return { loss, gradient: back, parameters };
}

it.each([
  { precision: 'f32', memory: 'fast' },
  { precision: 'f32', memory: 'lean' },
  { precision: 'f16', memory: 'fast' },
] as const)('bases that are made within the step give its loss and gradient: %o', async (setting) => {
  const before = await step({ ...setting, bases: 'processor' });
  const within = await step({ ...setting, bases: 'device' });
  expect(within.loss).toBeCloseTo(before.loss, 6);
  expect(within.gradient).toHaveLength(before.parameters.length);
  expect(relativeError(within.gradient, before.gradient)).toBeLessThan(1e-6);
  expect(within.gradient.some((g) => g !== 0)).toBe(true);
});

it('a loss alone needs no gradient of the bases that are made within it', async () => {
  const { loss } = await step({ bases: 'processor' });
  const alone = await step({ bases: 'device', lossOnly: true });
  expect(alone.loss).toBeCloseTo(loss, 6);
  expect(alone.gradient).toHaveLength(0);
});

it('what has no bases is computed as before', async () => {
  const before = await step({ name: 'lora', bases: 'processor' });
  expect(await step({ name: 'lora', bases: 'device' })).toEqual(before);
});
