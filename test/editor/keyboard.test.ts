import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { excused } from '../../remote-agent/test/hosts/sshd.ts';
import type { Editor } from './driver/editor.ts';
import { noEditor } from './driver/requirements.ts';
import { scene } from './driver/scene.ts';

describe.skipIf(excused(noEditor))('with the keyboard alone', () => {
  let editor: Editor;

  scene({}, (started) => {
    editor = started;
  });

  const press = (key: string) => editor.page.keyboard.press(key);
  /** Tab after Tab until something of this name has the focus in the panel in front. */
  async function tabTo(name: RegExp): Promise<void> {
    const frame = await editor.webviews.frame();
    const focused = () =>
      frame.evaluate(() => {
        const { activeElement: element } = document;
        const label = element?.id && document.querySelector(`label[for="${element.id}"]`)?.textContent;
        return label || element?.getAttribute('aria-label') || element?.textContent || '';
      });
    for (let presses = 0; presses < 60; presses++) {
      if (name.test(await focused())) return;
      await press('Tab');
    }
    throw new Error(`No ${name} can be reached by Tab`);
  }

  it('opens the sample subject in an empty window, and shortens it', async () => {
    await editor.input.type('PaRa: Open the Sample Subject');
    await editor.text.tab('dog.para.json').waitFor();
    await press('Control+Home');
    await press('End');
    await editor.page.keyboard.insertText('\n  "training": { "steps": 30 },');
    await expect.poll(() => editor.text.isDirty()).toBe(true);
  });

  it('trains it and opens its run, with no question', async () => {
    await editor.input.type('PaRa: Train Subject');
    await editor.text.tab('dog \u00b7 PaRa').waitFor();
    const frame = await editor.webviews.frame();
    await frame.locator('.run-state', { hasText: 'finished' }).waitFor({ timeout: 120_000 });
    await tabTo(/^Continue/);
    await press('Enter');
    await editor.input.asked('Continue dog to how many steps?');
    await editor.input.cancel();
  });

  it('compares it with its base, and moves the strength', async () => {
    await editor.input.type('PaRa: Compare Adapters');
    await editor.input.asked('Compare which adapters?');
    await press('Shift+Tab'); // to the box that ticks all
    await press('Space');
    await press('Tab');
    await press('Enter');
    await editor.text.tab(/^Compare: dog/).waitFor();
    const frame = await editor.webviews.frame();
    const done = frame.locator('.compare-cell[data-state="done"] img');
    await expect.poll(() => done.count(), { timeout: 60_000 }).toBe(4);
    const before = await done.nth(1).getAttribute('src');
    await tabTo(/^Strength of dog/);
    for (let i = 0; i < 6; i++) await press('ArrowLeft');
    await frame.getByText('0.70').waitFor();
    await expect.poll(() => done.nth(1).getAttribute('src'), { timeout: 60_000 }).not.toBe(before);
  });

  it('exports it for another tool', async () => {
    await editor.input.type('PaRa: Export Adapter');
    await editor.input.asked('Export dog for which tool?');
    await editor.page.keyboard.type('diffusers');
    await press('Enter');
    await editor.input.asked('Export Adapter');
    const file = join(editor.server.folder, 'dog.safetensors');
    await editor.input.enter(file);
    await editor.notices.wait(`Wrote ${file}.`, 60_000);
    expect(readFileSync(file).includes('lora')).toBe(true);
  });
});
