import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { excused } from '../../remote-agent/test/hosts/sshd.ts';
import { Editor } from './driver/editor.ts';
import { pictureOfFailure } from './driver/failures.ts';
import { noEditor, packagedExtension } from './driver/requirements.ts';
import { makeWorkspace } from './driver/workspace.ts';

const prompts = ['a zwx dog on the beach', 'a zwx dog on a yellow background'];
const subject = {
  ...{ base: 'pocket-sdxl', pictures: ['*.png'], trigger: 'zwx', class: 'dog' },
  ...{ training: { steps: 40 }, samples: { every: 1000, prompts } },
};

describe.skipIf(excused(noEditor))('LoRA and PaRa side by side', () => {
  const workspace = makeWorkspace('dog', 'dog');
  let editor: Editor;

  beforeAll(async () => {
    workspace.write('dog.para.json', JSON.stringify(subject));
    editor = await Editor.start({ workspace: workspace.folder, extensions: [packagedExtension] });
    await editor.views.open('PaRa Studio');
  });
  afterEach((context) => pictureOfFailure(context, editor));
  afterAll(async () => {
    await editor?.stop();
    workspace.remove();
  });

  const panel = () => editor.webviews.frame();
  /** Sources of the pictures, row by row, once all are drawn. */
  const pictures = async (count: number) => {
    const frame = await panel();
    await expect
      .poll(() => frame.locator('.compare-cell[data-state="done"]').count(), { timeout: 120_000 })
      .toBe(count);
    return frame
      .locator('.compare-cell img')
      .evaluateAll((all: HTMLImageElement[]) => all.map(({ src }) => src));
  };

  it('offers to train what there is nothing of yet', async () => {
    await editor.views.menu('Subjects', 'dog', 'Compare LoRA and PaRa');
    await editor.notices.press('dog was not trained with PaRa, LoRA yet.', 'Train PaRa, LoRA');
    await expect
      .poll(() => editor.views.rows('Runs'), { timeout: 240_000 })
      .toEqual(['dog | 2', expect.stringMatching(/^LoRA .* steps/), expect.stringMatching(/^PaRa .* steps/)]);
  });

  it('fills a table of base, LoRA and PaRa, with what each costs below', async () => {
    await editor.views.menu('Subjects', 'dog', 'Compare LoRA and PaRa');
    await editor.text.tab(/^Compare: /).waitFor();
    const drawn = await pictures(6);
    expect(new Set(drawn).size).toBe(6);
    const frame = await panel();
    expect(await frame.locator('thead th .compare-name').allInnerTexts()).toEqual([
      expect.stringContaining('pocket-sdxl'),
      expect.stringContaining('LoRA'),
      expect.stringContaining('PaRa'),
    ]);
    for (const fact of await frame.locator('tfoot dl').allInnerTexts())
      expect(fact).toMatch(
        /Parameters\s+[\d,]+\s+Rank\s+\d+\s+File\s+[\d.]+ KB\s+Steps\s+\d+\s+Training\s+[\d.]+ s/,
      );
    await editor.screen('compare/table');
  });

  it('draws again with another strength, and only what it changes', async () => {
    const before = await pictures(6);
    const frame = await panel();
    const slider = frame.getByRole('slider', { name: /^Strength of .*PaRa/ });
    await slider.fill('0.4');
    await expect.poll(async () => (await pictures(6))[2]).not.toBe(before[2]);
    const after = await pictures(6);
    expect(after.map((source, i) => source !== before[i])).toEqual([false, false, true, false, false, true]);
    await slider.fill('1');
    await expect.poll(() => pictures(6)).toEqual(before);
  });

  it('shows two of them over each other, and what differs', async () => {
    const frame = await panel();
    for (const layout of ['Swipe', 'Difference', 'Beside each other']) {
      await frame.locator('vscode-dropdown[aria-label="Layout"]').click();
      await frame.getByRole('option', { name: layout }).click();
      await editor.page.waitForTimeout(300);
      await editor.screen(`compare/${layout.toLowerCase().replaceAll(' ', '-')}`);
    }
  });

  it.each([
    ['dark', 'Default Dark Modern'],
    ['light', 'Default Light Modern'],
    ['high-contrast', 'Default High Contrast'],
  ])('keeps nobody out in %s colours', async (name, theme) => {
    await editor.theme(theme);
    const frame = await panel();
    await frame.locator('h1').scrollIntoViewIfNeeded();
    expect(await editor.webviews.violations(frame)).toEqual([]);
    await editor.screen(`themes/compare-${name}`);
  });

  it('draws a single picture of a prompt', async () => {
    await editor.theme('Default Dark Modern');
    await editor.views.menu('Adapters', /dog/, 'Generate');
    await editor.text.tab(/^Generate: /).waitFor();
    const frame = await panel();
    const prompt = frame.locator('vscode-text-area[aria-label="Prompt"] textarea');
    await prompt.fill('a zwx dog on the moon');
    await prompt.press('Control+Enter');
    await pictures(1);
    await frame
      .getByRole('img', { name: /a zwx dog on the moon/ })
      .first()
      .waitFor();
    await editor.screen('compare/generate');
    expect(await editor.webviews.violations(frame)).toEqual([]);
  });
});
