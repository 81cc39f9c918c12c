// What several scenarios look for in the views of a run and of a comparison.
import type { Frame, Locator } from 'playwright-core';
import { expect } from 'vitest';

/** The step that the panel of a run shows. */
export async function shownStep(panel: Frame): Promise<number> {
  const facts = await panel.locator('.run-facts').innerText();
  return Number(/([\d,]+) of/.exec(facts)?.[1]?.replace(',', '') ?? 0);
}

/** Waits until a picture is not only there, but was read. */
export const pictureShown = (picture: Locator): Promise<void> =>
  expect.poll(() => picture.evaluate((img: HTMLImageElement) => img.naturalWidth)).toBeGreaterThan(0);
