import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readSchedulerConfig, type SchedulerConfig } from '../../src/diffusion/base-config.ts';
import {
  makeScheduler,
  schedulerByLabel,
  schedulerLabel,
  schedulerNames,
} from '../../src/diffusion/schedulers/index.ts';
import { alphasCumprod } from '../../src/diffusion/schedulers/noise-levels.ts';

interface Golden {
  configs: Record<string, Record<string, unknown>>;
  noise: number[][];
  alphasCumprod: Record<string, number[]>;
  cases: {
    config: string;
    scheduler: string;
    steps: number;
    timesteps: number[];
    initialSigma: number;
    states: number[][];
  }[];
}

const golden = JSON.parse(
  readFileSync(join(import.meta.dirname, '../golden/diffusion/schedulers.json'), 'utf8'),
) as Golden;

const configs = new Map<string, SchedulerConfig>();
for (const [name, json] of Object.entries(golden.configs)) {
  const directory = mkdtempSync(join(tmpdir(), 'para-scheduler-'));
  writeFileSync(join(directory, 'scheduler_config.json'), JSON.stringify(json));
  configs.set(name, readSchedulerConfig(directory));
  rmSync(directory, { recursive: true });
}

const far = (a: readonly number[], b: ArrayLike<number>) => {
  let difference = 0;
  let size = 0;
  for (let i = 0; i < a.length; i++) {
    difference = Math.max(difference, Math.abs(a[i]! - b[i]!));
    size = Math.max(size, Math.abs(a[i]!));
  }
  return difference / Math.max(1, size);
};

describe('the noise levels of a base', () => {
  it.each(Object.keys(golden.configs))('equal those of diffusers (%s)', (name) => {
    const found = alphasCumprod(configs.get(name)!).filter((_, t) => t % 37 === 0);
    for (const [i, expected] of golden.alphasCumprod[name]!.entries())
      expect(Math.abs(found[i]! - expected)).toBeLessThanOrEqual(2e-6 * expected + 1e-12);
  });
});

describe('a scheduler', () => {
  it.each(golden.cases)('takes the steps of diffusers: $scheduler, $config, $steps steps', (wanted) => {
    const eta = wanted.scheduler === 'ddim-eta' ? 0.7 : 0;
    const name = wanted.scheduler.replace('-eta', '');
    const scheduler = makeScheduler(name, configs.get(wanted.config)!, { steps: wanted.steps, eta });
    expect(far(wanted.timesteps, scheduler.timesteps)).toBeLessThan(1e-6);
    expect(Math.abs(scheduler.initialSigma / wanted.initialSigma - 1)).toBeLessThan(1e-5);
    let sample = Float32Array.from(golden.noise[0]!, (x) => x * scheduler.initialSigma);
    const states: Float32Array[] = [];
    for (const [i, t] of scheduler.timesteps.entries()) {
      const output = scheduler.scaleInput(sample, i).map((x) => x / (1 + Math.abs(x)) + t / 5000);
      const noise = scheduler.needsNoise ? Float32Array.from(golden.noise[i + 1]!) : undefined;
      sample = scheduler.step(sample, output, i, noise) as Float32Array<ArrayBuffer>;
      states.push(sample);
    }
    const kept = [states[0]!, states[Math.floor(states.length / 2)]!, states.at(-1)!];
    for (const [i, state] of kept.entries()) expect(far(wanted.states[i]!, state)).toBeLessThan(1e-4);
  });

  it('is found by the name that the field gives it', () => {
    for (const name of schedulerNames) expect(schedulerByLabel(schedulerLabel(name))).toBe(name);
    expect(schedulerByLabel('euler A')).toBe('euler-ancestral');
    expect(schedulerByLabel('UniPC')).toBeUndefined();
  });

  it('refuses unknown names and impossible numbers of steps with what to choose', () => {
    const config = configs.get('sdxl')!;
    expect(() => makeScheduler('heun', config, { steps: 4 })).toThrow(
      expect.objectContaining({ code: 'settings', hint: expect.stringContaining('dpmpp-2m-karras') }),
    );
    for (const steps of [0, -1, 1.5, 1001, Number.NaN])
      expect(() => makeScheduler('ddim', config, { steps })).toThrow(
        expect.objectContaining({ code: 'settings' }),
      );
    expect(() => makeScheduler('ddim', config, { steps: 4, eta: 2 })).toThrow(
      expect.objectContaining({ code: 'settings' }),
    );
  });

  it('takes every step of the schedule without leaving it', () => {
    for (const name of schedulerNames) {
      const scheduler = makeScheduler(name, configs.get('sdxl')!, {
        steps: name.startsWith('dpm') ? 999 : 1000,
      });
      expect(Math.max(...scheduler.timesteps)).toBeLessThanOrEqual(1000);
      const sample = Float32Array.of(0.5, -1);
      const out = scheduler.step(sample, sample, 0, scheduler.needsNoise ? sample : undefined);
      expect(out.every(Number.isFinite)).toBe(true);
    }
  });
});
