import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { excused } from '../hosts/sshd.ts';
import { bundleProgram } from '../jobs/bundle.ts';
import { noSwiftShader, swiftShader } from '../runtime/swiftshader.ts';
import { goldenPath, relativeError } from './golden.ts';
import type { DeviceResults, DeviceWork } from './webgpu-main.ts';

const run = promisify(execFile);
const pocket = goldenPath('../../bases/pocket-sdxl');
const tiny = goldenPath('bases/tiny-optimum');

// Every program that a driver in software compiles takes a tenth of a second: methods and ways of memory are crossed.
const work: Omit<DeviceWork, 'device'> = {
  steps: [
    { base: pocket, method: 'lora', memory: 'lean', side: 8 },
    { base: pocket, method: 'para', memory: 'fast', side: 8 },
  ],
  pictures: [{ base: tiny, steps: 2 }],
};

const floats = (text: string) => {
  const { buffer, byteOffset, byteLength } = Buffer.from(text, 'base64');
  return new Float32Array(buffer.slice(byteOffset, byteOffset + byteLength));
};

describe.skipIf(excused(noSwiftShader))('WebGPU, on a driver in software', () => {
  let folder: string;
  let cpu: DeviceResults;
  let webgpu: DeviceResults;

  beforeAll(async () => {
    // In the agent's folder, from where the child finds the runtime.
    const dist = fileURLToPath(new URL('../../dist', import.meta.url));
    mkdirSync(dist, { recursive: true });
    folder = mkdtempSync(join(dist, 'webgpu-'));
    const program = bundleProgram(new URL('webgpu-main.ts', import.meta.url), folder);
    const on = async (device: DeviceWork['device']) => {
      const asked = JSON.stringify({ ...work, device } satisfies DeviceWork);
      const { stdout } = await run(process.execPath, [program, asked], {
        env: swiftShader,
        maxBuffer: 2 ** 28,
      });
      return JSON.parse(stdout.trim().split('\n').at(-1)!) as DeviceResults;
    };
    cpu = await on('cpu');
    webgpu = await on('webgpu');
    console.log(`processor time: ${cpu.cpuSeconds} s on the CPU, ${webgpu.cpuSeconds} s on WebGPU`);
    // A driver in software works on the processor, of which a busy machine gives it little.
  }, 1_800_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it.each(work.steps.map(({ method, memory }, i) => ({ method, memory, i })))(
    "gives the CPU's loss of a $method step ($memory) within 1e-6, and its gradient within 1e-5",
    ({ i }) => {
      const [wanted, found] = [cpu.steps[i]!, webgpu.steps[i]!];
      const error = relativeError(floats(found.gradient), floats(wanted.gradient));
      const loss = Math.abs(found.loss / wanted.loss - 1);
      console.log(`loss within ${loss.toExponential(1)}, gradient within ${error.toExponential(1)}`);
      expect(loss).toBeLessThan(1e-6);
      expect(error).toBeLessThan(1e-5);
    },
  );

  it('computes every operator of a step but the sines of its timestep on WebGPU, and says so', () => {
    for (const { placement } of webgpu.steps)
      expect(placement).toMatch(
        /^\d{4} of \d{4} operators run on webgpu; on cpu: (Sin 2, Cos 2|Cos 2, Sin 2)$/,
      );
    for (const { placement } of cpu.steps) expect(placement).toBeUndefined();
  });

  it("attends as the CPU does, within 1e-5: the runtime's own operator is off by a tenth there", () => {
    expect(relativeError(floats(webgpu.attention), floats(cpu.attention))).toBeLessThan(1e-5);
  });

  it('says which setting to change where the GPU does not compute in half precision', () => {
    expect(webgpu.half).toEqual({
      code: 'device',
      hint: 'ask for f32: "training.precision" of the subject, --precision of a drawing',
    });
    expect(cpu.half).toBeUndefined();
  });

  it("draws the CPU's picture: no value differs by more than one of 255", () => {
    for (const [i, wanted] of cpu.pictures.entries()) {
      const [a, b] = [wanted, webgpu.pictures[i]!].map((text) => Buffer.from(text, 'base64'));
      expect(b!.length).toBe(a!.length);
      expect(Math.max(...a!.map((value, at) => Math.abs(value - b![at]!)))).toBeLessThanOrEqual(1);
      // It is a picture, not one grey.
      expect(new Set(a).size).toBeGreaterThan(20);
    }
  });
});
