import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { chooseLayers } from '../../src/adapters/layers.ts';
import { methodByName } from '../../src/adapters/methods.ts';
import { openBase } from '../../src/diffusion/base.ts';
import { trainingBytes } from '../../src/diffusion/training-memory.ts';
import type { Graph } from '../../src/onnx/graph.ts';
import { saveGraph } from '../../src/onnx/io.ts';
import type { Layer } from '../../src/onnx/modules.ts';
import { loadUnet } from '../../src/training/engine.ts';
import { buildStepGraph } from '../../src/training/step-graph.ts';
import { deepStep } from './deep-graph.ts';
import { relativeError } from './golden.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const run = promisify(execFile);
const sizes = { blocks: 16, channels: 64, side: 32, heads: 1 };

// In the agent's folder, from where the child finds the runtime.
let folder: string;
beforeAll(async () => {
  mkdirSync(join(root, 'dist'), { recursive: true });
  folder = mkdtempSync(join(root, 'dist/deep-'));
  await build({
    entryPoints: [fileURLToPath(new URL('step-main.ts', import.meta.url))],
    outfile: join(folder, 'step.mjs'),
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
  });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The first step of a graph in a process of its own. */
async function firstStep(graph: Graph) {
  const model = join(folder, 'step.onnx');
  const gradient = `${model}.gradient`;
  saveGraph(graph, model);
  const { stdout } = await run(process.execPath, [join(folder, 'step.mjs'), model, gradient]);
  const { buffer, byteOffset, byteLength } = readFileSync(gradient);
  return {
    ...(JSON.parse(stdout) as { bytes: number; activationBytes: number; loss: number }),
    gradient: new Float32Array(buffer, byteOffset, byteLength / 4),
  };
}

describe('lean memory on a deep graph', () => {
  it.each(['lora', 'para'] as const)(
    'takes a third of what fast takes, and gives the same, for %s',
    async (method) => {
      const fast = await firstStep(deepStep(sizes, methodByName(method), 'fast').graph);
      const lean = await firstStep(deepStep(sizes, methodByName(method), 'lean').graph);
      // Far above what a process takes for other reasons.
      expect(fast.activationBytes).toBeGreaterThan(100e6);
      expect(fast.activationBytes / lean.activationBytes).toBeGreaterThan(3);
      expect(Math.abs(lean.loss - fast.loss) / fast.loss).toBeLessThan(1e-6);
      expect(relativeError(lean.gradient, fast.gradient)).toBeLessThan(1e-6);
    },
  );
});

describe('the estimate of what training takes', () => {
  it.each(['fast', 'lean'] as const)('is within a quarter of what a process takes for %s', async (memory) => {
    const base = openBase('pocket-sdxl');
    const sizes = { batch: 1, latentHeight: 64, latentWidth: 64, tokens: base.textEncoders[0]!.tokens };
    const shapes = { ...sizes, latentChannels: base.latentChannels };
    const { graph, layers, inputs } = loadUnet(base, shapes);
    const method = methodByName('lora');
    const plan = (found: readonly Layer[]) => method.plan(chooseLayers(found, 'attention'), {});
    buildStepGraph(graph, { shapes, unet: inputs, method, plan: plan(layers), memory });
    const { bytes } = await firstStep(graph);
    const estimate = trainingBytes(base, sizes, memory, { method, plan });
    expect(estimate / bytes).toBeGreaterThan(0.75);
    expect(estimate / bytes).toBeLessThan(1.25);
  });
});
