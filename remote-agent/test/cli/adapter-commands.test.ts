import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { adapterFrom, saveAdapter } from '../../src/adapters/adapter.ts';
import { baseWeights } from '../../src/adapters/base-weights.ts';
import { readAdapter } from '../../src/adapters/import.ts';
import { chooseLayers } from '../../src/adapters/layers.ts';
import { methodByName } from '../../src/adapters/methods.ts';
import { exportCommand, importCommand, inspectCommand } from '../../src/cli/adapter-commands.ts';
import { openBase } from '../../src/diffusion/base.ts';

const folder = mkdtempSync(join(tmpdir(), 'para-adapters-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const base = join(import.meta.dirname, '../golden/bases/tiny-optimum');

test('an adapter is exported, imported again and inspected from the command line', async () => {
  const opened = openBase(base);
  const { layers } = baseWeights(opened.unet.path);
  const para = methodByName('para');
  const plan = para.plan(chooseLayers(layers), {});
  const own = join(folder, 'own.safetensors');
  const info = { title: 'own', baseName: opened.name, baseHash: opened.hash };
  saveAdapter(own, adapterFrom(plan, para.initialise(plan, 1), info));
  for (const format of ['peft', 'diffusers', 'kohya']) {
    const out = join(folder, format);
    await exportCommand(own, { base, format, as: 'lora', out });
    await expect(exportCommand(own, { base, format, as: 'lora', out })).rejects.toThrow(/exists already/);
    const back = join(folder, `${format}-back.safetensors`);
    importCommand(out, { base, out: back });
    const { adapter } = readAdapter(back, layers);
    expect(adapter.method).toBe('lora');
    expect(adapter.tensors.size).toBe(2 * plan.layers.length);
    expect(adapter.info.baseHash).toBe(opened.hash);
    inspectCommand(out, { base });
  }
  inspectCommand(own, { base });
  await expect(exportCommand(own, { base, format: 'webui', out: join(folder, 'x') })).rejects.toThrow(
    /no format "webui"/,
  );
});
