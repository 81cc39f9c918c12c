/** How the learning rate changes over a run. */
export type ScheduleKind = 'constant' | 'cosine' | 'linear';

/**
 * Learning rate of update `step` (1-based) of `total`: linear warm-up over `warmup` updates, then constant, half a
 * cosine to zero, or a straight line to zero.
 */
export function learningRateAt(
  kind: ScheduleKind,
  base: number,
  step: number,
  total: number,
  warmup: number,
): number {
  if (step <= warmup) return (base * step) / warmup;
  if (kind === 'constant') return base;
  const progress = (step - warmup) / Math.max(1, total - warmup + 1);
  return kind === 'linear' ? base * (1 - progress) : base * 0.5 * (1 + Math.cos(Math.PI * progress));
}
