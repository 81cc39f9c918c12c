// What several scenarios look for in the views of a run and of a comparison.
import { existsSync } from 'node:fs';
import type { Frame, Locator } from 'playwright-core';
import { expect } from 'vitest';
import type { Editor } from './editor.ts';

/** The step that the panel of a run shows. */
export async function shownStep(panel: Frame): Promise<number> {
  const facts = await panel.locator('.run-facts').innerText();
  return Number(/([\d,]+) of/.exec(facts)?.[1]?.replace(',', '') ?? 0);
}

/** Waits until a picture is not only there, but was read. */
export const pictureShown = (picture: Locator): Promise<void> =>
  expect.poll(() => picture.evaluate((img: HTMLImageElement) => img.naturalWidth)).toBeGreaterThan(0);

/** Chooses an entry of a list. */
export async function choose(panel: Frame, list: string, entry: string): Promise<void> {
  await panel.locator(`vscode-dropdown[aria-label="${list}"]`).click();
  await panel.getByRole('option', { name: entry, exact: true }).click();
}

/** Presses what saves a file, and says where it is to lie; waits until it is there. */
export async function saveAs(editor: Editor, press: () => Promise<void>, file: string): Promise<void> {
  await press();
  await editor.input.asked(/./);
  await editor.input.enter(file);
  await expect.poll(() => existsSync(file)).toBe(true);
}
