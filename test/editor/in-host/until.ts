import { ok } from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';

/** Waits until something is so, for ten seconds at the most. */
export async function until(isSo: () => unknown): Promise<void> {
  for (let tries = 0; !isSo() && tries < 100; tries++) await sleep(100);
  ok(isSo(), `it was never so: ${isSo}`);
}
