/** How gradients are scaled in half precision. */
export interface LossScale {
  /** What the loss's gradient is multiplied by, a power of two. */
  value: number;
  /** Steps since it last changed. */
  steps: number;
  /** Steps left out, one after the other, since the loss itself was no number. */
  skipped: number;
}

const growAfter = 200;
const largest = 2 ** 20;

/** Steps that may be left out in a row. */
export const mostSkipped = 10;

export const startScale = (): LossScale => ({ value: 2 ** 16, steps: 0, skipped: 0 });

/** Halves it after a gradient overflowed; false where it is 1 already, so that scaling is not the reason. */
export function shrink(scale: LossScale): boolean {
  if (scale.value <= 1) return false;
  scale.value /= 2;
  scale.steps = 0;
  return true;
}

/** After a good step: doubled where it has held for long (Micikevicius et al. 2018, section 3.2); true when it was. */
export function keep(scale: LossScale): boolean {
  scale.skipped = 0;
  scale.steps++;
  if (scale.steps < growAfter || scale.value >= largest) return false;
  scale.value *= 2;
  scale.steps = 0;
  return true;
}
