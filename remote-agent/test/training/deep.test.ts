import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { methodByName } from '../../src/adapters/methods.ts';
import { saveGraph } from '../../src/onnx/io.ts';
import { deepStep } from './deep-graph.ts';
import { relativeError } from './golden.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const sizes = { blocks: 24, channels: 64, side: 32, heads: 1 };

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

/** The first step of the deep graph in a process of its own. */
function firstStep(method: 'lora' | 'para', memory: 'fast' | 'lean') {
  const model = join(folder, `${method}-${memory}.onnx`);
  const gradient = `${model}.gradient`;
  saveGraph(deepStep(sizes, methodByName(method), memory).graph, model);
  const said = execFileSync(process.execPath, [join(folder, 'step.mjs'), model, gradient], {
    encoding: 'utf8',
  });
  const { buffer, byteOffset, byteLength } = readFileSync(gradient);
  return {
    ...(JSON.parse(said) as { activationBytes: number; loss: number }),
    gradient: new Float32Array(buffer, byteOffset, byteLength / 4),
  };
}

describe('lean memory on a deep graph', () => {
  it.each(['lora', 'para'] as const)(
    'takes a third of what fast takes, and gives the same, for %s',
    (method) => {
      const fast = firstStep(method, 'fast');
      const lean = firstStep(method, 'lean');
      // Far above what a process takes for other reasons.
      expect(fast.activationBytes).toBeGreaterThan(150e6);
      expect(fast.activationBytes / lean.activationBytes).toBeGreaterThan(3);
      expect(Math.abs(lean.loss - fast.loss) / fast.loss).toBeLessThan(1e-6);
      expect(relativeError(lean.gradient, fast.gradient)).toBeLessThan(1e-6);
    },
  );
});
