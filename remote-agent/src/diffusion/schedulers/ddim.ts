import { ParaError } from '../../common/errors.ts';
import type { SchedulerConfig } from '../base-config.ts';
import { alphasCumprod } from './noise-levels.ts';
import type { Scheduler, SchedulerOptions } from './scheduler.ts';
import { checkSteps, downwards, leading, roundEven, trailing } from './spacing.ts';

/** DDIM: Song, Meng & Ermon, "Denoising Diffusion Implicit Models" (2021), equations 12 and 16. */
export function ddim(config: SchedulerConfig, { steps, eta = 0 }: SchedulerOptions): Scheduler {
  const { trainTimesteps } = config;
  checkSteps(steps, trainTimesteps);
  if (!(eta >= 0 && eta <= 1))
    throw new ParaError('settings', `DDIM's eta is ${eta}`, {
      where: 'eta',
      hint: 'choose a value from 0 to 1',
    });
  const levels = alphasCumprod(config);
  const timesteps = ddimTimesteps(config, steps);
  const stride = Math.floor(trainTimesteps / steps);
  const last = config.setAlphaToOne ? 1 : levels[0]!;
  return {
    timesteps,
    initialSigma: 1,
    needsNoise: eta > 0,
    scaleInput: (sample) => sample,
    step(sample, output, i, noise) {
      const alpha = levels[timesteps[i]!]!;
      const before = timesteps[i]! - stride;
      const next = before >= 0 ? levels[before]! : last;
      const signal = Math.sqrt(alpha);
      const spread = Math.sqrt(1 - alpha);
      const deviation = eta === 0 ? 0 : eta * Math.sqrt(((1 - next) / (1 - alpha)) * (1 - alpha / next));
      const towards = Math.sqrt(1 - next - deviation * deviation);
      const nextSignal = Math.sqrt(next);
      const result = new Float32Array(sample.length);
      for (let k = 0; k < sample.length; k++) {
        const x = sample[k]!;
        const y = output[k]!;
        const v = config.predictionType === 'v_prediction';
        let clean = v ? signal * x - spread * y : (x - spread * y) / signal;
        const epsilon = v ? signal * y + spread * x : y;
        if (config.clipSample !== undefined)
          clean = Math.max(-config.clipSample, Math.min(config.clipSample, clean));
        result[k] = nextSignal * clean + towards * epsilon + (noise ? deviation * noise[k]! : 0);
      }
      return result;
    },
  };
}

function ddimTimesteps(config: SchedulerConfig, steps: number): number[] {
  const { trainTimesteps, stepsOffset } = config;
  const spacing = config.timestepSpacing ?? 'leading';
  const list =
    spacing === 'leading'
      ? leading(trainTimesteps, steps, steps, stepsOffset)
      : spacing === 'trailing'
        ? trailing(trainTimesteps, steps)
        : downwards(0, trainTimesteps - 1, steps).map(roundEven);
  // An offset may point past the last timestep when (nearly) every one is used.
  return list.map((t) => Math.min(t, trainTimesteps - 1));
}
