import { describe, expect, it } from 'vitest';
import { excused } from '../../remote-agent/test/hosts/sshd.ts';
import type { Editor } from './driver/editor.ts';
import { pictureShown } from './driver/panels.ts';
import { noEditor } from './driver/requirements.ts';
import { scene } from './driver/scene.ts';
import { makeWorkspace } from './driver/workspace.ts';

const prompts = ['a zwx dog on the beach', 'a zwx dog on a yellow background'];
const subject = {
  ...{ base: 'pocket-sdxl', pictures: ['*.png'], trigger: 'zwx', class: 'dog' },
  ...{ method: { name: 'lora' }, training: { steps: 40 }, samples: { every: 1000, prompts } },
};

describe.skipIf(excused(noEditor))('LoRA and PaRa side by side', () => {
  const workspace = makeWorkspace('dog', 'dog');
  let editor: Editor;

  workspace.write('dog.para.json', JSON.stringify(subject));
  scene({ workspace }, async (started) => {
    editor = started;
    await editor.views.open('PaRa Studio');
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

  it('trains what there is nothing of yet, in the panel of that run, and compares when it is finished', async () => {
    await editor.views.action('Subjects', 'dog', 'Train Subject');
    await expect
      .poll(() => editor.views.rows('Runs'), { timeout: 120_000 })
      .toEqual(['dog | 1', expect.stringMatching(/^LoRA .* steps/)]);
    await editor.views.menu('Subjects', 'dog', 'Compare LoRA and PaRa');
    expect(await editor.dialogs.text()).toContain('dog was not trained with PaRa yet.');
    await editor.dialogs.press('Train PaRa');
    await editor.text.tab('dog \u00b7 PaRa').waitFor({ timeout: 120_000 });
    await editor.text.tab(/^Compare: /).waitFor({ timeout: 240_000 });
    expect(await editor.views.rows('Runs')).toEqual([
      'dog | 2',
      expect.stringMatching(/^PaRa .* steps/),
      expect.stringMatching(/^LoRA .* steps/),
    ]);
  });

  it('fills a table of base, LoRA and PaRa, with what each costs below', async () => {
    const drawn = await pictures(6);
    expect(new Set(drawn).size).toBe(6);
    const frame = await panel();
    expect(await frame.locator('thead th .compare-name').allInnerTexts()).toEqual([
      ...['Base', 'dog \u00b7 LoRA', 'dog \u00b7 PaRa'],
    ]);
    for (const fact of await frame.locator('tfoot dl').allInnerTexts())
      expect(fact).toMatch(
        /Parameters\s+[\d,]+\s+Rank\s+[\d\u2013-]+\s+File\s+[\d.]+ KB\s+Steps\s+[\d,]+\s+Training\s+[\d.]+ (s|min)/,
      );
    await editor.settled();
    await editor.screen('comparison');
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

  it('pins a picture to its run, whose panel shows it', async () => {
    const cell = (await panel()).locator('.compare-cell').nth(2);
    await cell.hover();
    await cell.getByRole('button', { name: 'Pin to the run' }).click();
    await editor.views.click('Runs', /^PaRa/);
    await editor.text.tab('dog \u00b7 PaRa').waitFor();
    const pinned = (await panel()).getByRole('region', { name: 'Pinned' }).locator('img');
    await pinned.scrollIntoViewIfNeeded();
    await pictureShown(pinned);
    expect(await pinned.getAttribute('alt')).toMatch(/^a-zwx-dog-on-the-beach/);
    expect(await editor.webviews.violations(await panel())).toEqual([]);
    await editor.input.run('View: Close Editor');
  });

  it('shows one adapter at several strengths', async () => {
    await editor.views.action('Adapters', /dog/, 'Compare Strengths');
    const strengths = async () =>
      (await panel())
        .getByRole('slider', { name: /^Strength of / })
        .evaluateAll((all: HTMLInputElement[]) => all.map(({ value }) => value));
    await expect.poll(strengths).toEqual(['0', '0.5', '1']);
    expect(new Set(await pictures(6)).size).toBe(6);
    await editor.input.run('View: Close Editor');
  });

  it('shows two of them over each other, and what differs', async () => {
    const frame = await panel();
    const lay = async (layout: string) => {
      await frame.locator('vscode-dropdown[aria-label="Layout"]').click();
      await frame.getByRole('option', { name: layout }).click();
    };
    await lay('Swipe');
    await frame
      .getByRole('slider', { name: /^Share of Base/ })
      .first()
      .fill('30');
    await editor.screen('compare/swipe');
    await lay('Difference');
    await expect.poll(() => frame.locator('canvas').count()).toBe(2);
    await lay('Beside each other');
    await pictures(6);
  });

  it.each([
    ['dark', 'Dark Modern'],
    ['light', 'Light Modern'],
    ['high-contrast', 'Dark High Contrast'],
  ])('keeps nobody out in %s colours', async (name, theme) => {
    await editor.theme(theme);
    const frame = await panel();
    await frame.locator('h1').scrollIntoViewIfNeeded();
    expect(await editor.webviews.violations(frame)).toEqual([]);
    if (name !== 'dark') await editor.screen(`themes/compare-${name}`);
  });

  it('draws a single picture of a prompt', async () => {
    await editor.theme('Dark Modern');
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
    await editor.settled();
    await editor.screen('compare/generate');
    expect(await editor.webviews.violations(frame)).toEqual([]);
  });
});
