import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { chooseLayers } from '../../src/adapters/layers.ts';
import { methodByName } from '../../src/adapters/methods.ts';
import { Random } from '../../src/common/random.ts';
import { openBase } from '../../src/diffusion/base.ts';
import { StepEngine } from '../../src/training/engine.ts';
import { goldenPath } from './golden.ts';

const side = 8;

function folderOf(base: string): string {
  const test = goldenPath(`bases/${base}`);
  return existsSync(test) ? test : goldenPath(`../../bases/${base}`);
}

/** Loss and gradient of one step from fixed values. */
async function step(baseName: string, methodName: 'lora' | 'para', memory: 'fast' | 'lean') {
  const base = openBase(folderOf(baseName));
  const method = methodByName(methodName);
  const { tokens } = base.textEncoders[0]!;
  const { ports, hiddenWidth } = base.unet;
  const batch = 2;
  const shapes = {
    batch,
    latentChannels: base.latentChannels,
    latentHeight: side,
    latentWidth: side,
    tokens,
  };
  const engine = await StepEngine.create({
    base,
    method,
    plan: (layers) => method.plan(chooseLayers(layers, 'attention+ff'), {}),
    shapes,
    device: 'cpu',
    memory,
  });
  const values = (length: number, name: string) => {
    const random = new Random(5, name);
    return Float32Array.from({ length }, () => random.normal());
  };
  const latent = batch * base.latentChannels * side * side;
  // Away from LoRA's zero start, where half of the gradient is zero.
  const parameters = values(engine.plan.parameterCount, 'parameters').map((v) => v * 0.05);
  const made = await engine.run(await engine.coefficients(parameters), {
    noisy: values(latent, 'noisy'),
    target: values(latent, 'target'),
    weights: new Float32Array(batch).fill(1),
    timesteps: [100, 700],
    hidden: values(batch * tokens * hiddenWidth, 'hidden'),
    pooled: values(batch * (ports.pooled?.dims[1] ?? 0), 'pooled'),
    timeIds: new Float32Array(batch * 6).fill(64),
  });
  await engine.release();
  return made;
}

const norm = (values: Float32Array) => Math.sqrt(values.reduce((sum, v) => sum + v * v, 0));

describe.each(['tiny-optimum', 'tiny-dynamo', 'pocket-sdxl'])('lean memory on %s', (base) => {
  it.each(['lora', 'para'] as const)('gives the loss and gradient of fast for %s', async (method) => {
    const fast = await step(base, method, 'fast');
    const lean = await step(base, method, 'lean');
    const difference = norm(fast.gradient.map((v, i) => v - lean.gradient[i]!));
    expect(norm(fast.gradient)).toBeGreaterThan(0);
    expect(Math.abs(lean.loss - fast.loss) / fast.loss).toBeLessThan(1e-6);
    expect(difference / norm(fast.gradient), 'gradient, relative').toBeLessThan(1e-6);
  });
});
