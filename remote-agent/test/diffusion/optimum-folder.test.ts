import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { importBase } from '../../src/diffusion/base-import.ts';
import { expectLikeDiffusers, ownHome } from './checkpoint-outputs.ts';
import { writeOptimumFolder } from './optimum-folder.ts';
import { checkpointGolden } from './random-checkpoint.ts';

const home = ownHome();

describe.each(['sd', 'sdxl'] as const)('an export by optimum of the architecture %s', (architecture) => {
  it('gives text states, U-Net outputs, latents and pictures of diffusers within 1e-4', async () => {
    writeOptimumFolder(join(home, architecture), architecture);
    const base = importBase(join(home, architecture));
    expect(base.architecture).toBe(architecture);
    await expectLikeDiffusers(base, checkpointGolden(architecture));
  });
});
