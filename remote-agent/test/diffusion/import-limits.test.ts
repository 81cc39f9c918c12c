import { readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { para, program } from '../cli/program.ts';
import { ownHome } from './checkpoint-outputs.ts';
import { type Dtype, fullSizeShapes, writeHeader } from './random-checkpoint.ts';

const home = ownHome();

const tensors = fullSizeShapes('sdxl');
const countOf = (part: string) =>
  Object.entries(tensors)
    .filter(([name]) => name.startsWith(part))
    .reduce((sum, [, dims]) => sum + dims.reduce((a, b) => a * b, 1), 0);

/** Tells the most memory that a process held when it ends, in kB. */
const tellMemory = `data:text/javascript,${encodeURIComponent(
  'process.on("exit", () => console.log("held " + process.resourceUsage().maxRSS + " kB"))',
)}`;

const bytesIn = (folder: string) =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' }).reduce(
    (sum, name) => sum + statSync(join(folder, name)).size,
    0,
  );

it('has the numbers of weights that SDXL is known by', () => {
  expect(countOf('model.diffusion_model.')).toBe(2_567_463_684);
  expect(countOf('first_stage_model.')).toBe(83_653_863);
  expect(countOf('conditioner.embedders.0.')).toBe(123_060_480);
});

it.each([
  ['F16', 6.9e9],
  ['F32', 13.8e9],
  ['BF16', 6.9e9],
] as [Dtype, number][])(
  'a full-size SDXL checkpoint in %s is imported within 300 MB of memory and 50 MB of disk',
  async (dtype, bytes) => {
    const file = join(home, `xl-${dtype}.safetensors`);
    // Zeros that take no room: an import reads headers and a few blocks.
    writeHeader(file, tensors, dtype);
    expect(statSync(file).size).toBeGreaterThan(bytes);
    const command = [process.execPath, '--import', tellMemory, para, 'base', 'import', file, '--name', dtype];
    const { code, said } = await program(command, { cwd: home, home });
    expect(code, said).toBe(0);
    const held = Number(/^held (\d+) kB$/m.exec(said)![1]) * 1024;
    expect(held).toBeGreaterThan(50e6);
    expect(held).toBeLessThan(300e6);
    expect(bytesIn(join(home, 'bases', dtype))).toBeLessThan(50e6);
    rmSync(file);
  },
);
