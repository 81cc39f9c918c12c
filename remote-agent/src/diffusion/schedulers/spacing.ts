import { ParaError } from '../../common/errors.ts';
import type { SchedulerConfig } from '../base-config.ts';

export type Spacing = SchedulerConfig['timestepSpacing'];

/** Nearest whole number, halves to even (as NumPy rounds). */
export function roundEven(x: number): number {
  const below = Math.floor(x);
  const rest = x - below;
  if (rest !== 0.5) return Math.round(x);
  return below % 2 === 0 ? below : below + 1;
}

/** `steps` values from `high` down to `low`; one value is `low`. */
export function downwards(low: number, high: number, steps: number): number[] {
  if (steps === 1) return [low];
  const step = (high - low) / (steps - 1);
  return Array.from({ length: steps }, (_, i) => (i === 0 ? high : low + (steps - 1 - i) * step));
}

/** `leading`: multiples of the whole-numbered ratio, shifted by the offset. */
export function leading(trainTimesteps: number, parts: number, steps: number, offset: number): number[] {
  const ratio = Math.floor(trainTimesteps / parts);
  const skipped = parts - steps;
  return Array.from({ length: steps }, (_, i) => (steps - 1 - i + skipped) * ratio + offset);
}

/** `trailing`: from the last timestep down in equal parts. */
export function trailing(trainTimesteps: number, steps: number): number[] {
  const ratio = trainTimesteps / steps;
  return Array.from({ length: steps }, (_, i) => roundEven(trainTimesteps - i * ratio) - 1);
}

/** @throws ParaError `settings` for a number of steps that the base's schedule does not have */
export function checkSteps(steps: number, trainTimesteps: number): void {
  if (!Number.isInteger(steps) || steps < 1 || steps > trainTimesteps)
    throw new ParaError('settings', `${steps} sampling steps are not possible`, {
      where: 'steps',
      hint: `choose a whole number from 1 to ${trainTimesteps}`,
    });
}
