import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { pngText } from '../../remote-agent/src/dataset/png-text.ts';
import { parseParameters } from '../../remote-agent/src/diffusion/recipe.ts';
import { excused, noSshd, type Sshd } from '../../remote-agent/test/hosts/sshd.ts';
import type { Editor } from './driver/editor.ts';
import { choose, pictureShown, saveAs } from './driver/panels.ts';
import { noEditor } from './driver/requirements.ts';
import { scene } from './driver/scene.ts';
import { makeWorkspace } from './driver/workspace.ts';
import { addHost, startGpuHost } from './gpu-host.ts';

const prompts = ['a zwx dog on the beach', 'a zwx dog on a yellow background'];
const subject = {
  ...{ base: 'pocket-sdxl', pictures: ['*.png'], trigger: 'zwx', class: 'dog' },
  ...{ method: { name: 'lora' }, training: { steps: 40 }, samples: { every: 1000, prompts } },
};

describe.skipIf(excused(noEditor ?? noSshd))('LoRA and PaRa side by side', () => {
  const workspace = makeWorkspace('dog', 'dog');
  let editor: Editor;
  let sshd: Sshd;

  workspace.write('dog.para.json', JSON.stringify(subject));
  scene({ workspace }, async (started) => {
    editor = started;
    sshd = await startGpuHost('gpu', editor.server.home);
    await editor.views.open('PaRa Studio');
  });
  afterAll(() => sshd?.stop());

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
    // One panel may still be in front while the next one opens.
    const told = (text: RegExp) =>
      expect
        .poll(async () => (await panel()).locator('.run-events').innerText(), { timeout: 60_000 })
        .toMatch(text);
    await told(/Estimated beforehand: LoRA, 40 steps, time known after the first steps, .* of memory/);
    await editor.views.menu('Subjects', 'dog', 'Compare LoRA and PaRa');
    expect(await editor.dialogs.text()).toContain('dog was not trained with PaRa yet.');
    await editor.dialogs.press('Train PaRa');
    await editor.text.tab('dog \u00b7 PaRa').waitFor({ timeout: 120_000 });
    // The LoRA run says how long its steps took on this machine.
    await told(/Estimated beforehand: PaRa, 200 steps, about \d.* of memory/);
    await editor.text.tab(/^Compare: /).waitFor({ timeout: 240_000 });
    await expect
      .poll(() => editor.views.rows('Runs'))
      .toEqual(['dog | 2', expect.stringMatching(/^PaRa .* steps/), expect.stringMatching(/^LoRA .* steps/)]);
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

  it('shows a picture in full size, and keeps nobody out there', async () => {
    const frame = await panel();
    await frame.locator('.compare-open').nth(1).click();
    const dialog = frame.getByRole('dialog', { name: /LoRA: a zwx dog on the beach$/ });
    await pictureShown(dialog.locator('img'));
    await dialog.getByRole('slider', { name: 'Zoom' }).fill('8');
    await expect
      .poll(() => dialog.locator('img').evaluate((img) => img.getBoundingClientRect().width))
      .toBe(512);
    await editor.screen('compare/full-size');
    expect(await editor.webviews.violations(frame)).toEqual([]);
    await editor.page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });
  });

  it('saves a picture and the whole sheet as PNG, with what draws them again', async () => {
    const frame = await panel();
    const cell = frame.locator('.compare-cell').nth(1);
    const told = (name: string) => pngText(readFileSync(join(workspace.folder, name)), 'parameters') ?? '';
    await cell.hover();
    const one = join(workspace.folder, 'one.png');
    await saveAs(editor, () => cell.getByRole('button', { name: 'Save as PNG' }).click(), one);
    expect(parseParameters(told('one.png'))).toMatchObject({
      prompt: expect.stringContaining(prompts[0]!),
      seed: 1,
      steps: 30,
    });
    const sheet = join(workspace.folder, 'sheet.png');
    await saveAs(editor, () => frame.getByRole('button', { name: 'Save Sheet' }).click(), sheet);
    const lines = told('sheet.png').split('\n');
    expect(lines.map((line) => line.replace(/ <lora:.*?>/, ''))).toEqual(
      prompts.flatMap((prompt, i) => Array(3).fill(`${prompt} --d ${i + 1} --s 30 --l 5 --ss ddim`)),
    );
  });

  it('copies a picture as a prompt, which draws the same picture in a row of its own', async () => {
    const before = await pictures(6);
    const frame = await panel();
    const cell = frame.locator('.compare-cell').first();
    await cell.hover();
    await cell.getByRole('button', { name: 'Copy as prompt' }).click();
    await editor.status('The prompt was copied').waitFor();
    await frame.getByRole('button', { name: 'Add Prompt' }).click();
    const field = frame.locator('vscode-text-area[aria-label="New prompt"] textarea');
    await field.click();
    await editor.page.keyboard.press('Control+V');
    await expect.poll(() => field.inputValue()).toBe(`${prompts[0]} --d 1 --s 30 --l 5 --ss ddim`);
    await field.press('Control+Enter');
    expect((await pictures(9)).slice(6)).toEqual(before.slice(0, 3));
    await frame.getByRole('button', { name: 'Remove this prompt' }).last().click();
    await pictures(6);
  });

  it('takes the base out, and brings it back as an adapter is added', async () => {
    const before = await pictures(6);
    const frame = await panel();
    const names = frame.locator('thead th .compare-name');
    await frame.getByRole('button', { name: 'Remove Base' }).click();
    await pictures(4);
    await frame.getByRole('button', { name: 'Add Adapter' }).click();
    await editor.input.asked('Compare with which adapters?');
    await editor.input.pickMany(['Base']);
    const after = await pictures(6);
    expect(await names.allInnerTexts()).toEqual(['dog \u00b7 LoRA', 'dog \u00b7 PaRa', 'Base']);
    expect([after[2], after[5]]).toEqual([before[0], before[3]]);
  });

  it('pins a picture to its run, whose panel shows it', async () => {
    const cell = (await panel()).locator('.compare-cell').nth(1);
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

  it('compares what is ticked, and has it ticked the next time', async () => {
    const ask = async () => {
      await editor.input.run('PaRa: Compare Adapters');
      await editor.input.asked('Compare which adapters?');
      return editor.input.ticked();
    };
    expect(await ask()).toEqual([]);
    await editor.input.tick(/LoRA/);
    await editor.input.accept();
    const names = async () => (await panel()).locator('thead th .compare-name').allInnerTexts();
    await expect.poll(names).toEqual(['Base', 'dog \u00b7 LoRA']);
    const icons = () =>
      editor.text
        .tab(/^Compare: /)
        .evaluate((tab) =>
          [tab, ...tab.querySelectorAll('*')]
            .flatMap((part) => ['', '::before'].map((place) => getComputedStyle(part, place).backgroundImage))
            .join(),
        );
    await expect.poll(icons).toContain('compare-dark.svg');
    await editor.input.run('View: Close Editor');
    expect(await ask()).toEqual([expect.stringContaining('LoRA')]);
    await editor.input.cancel();
  });

  it('shows two of them over each other, and what differs', async () => {
    const frame = await panel();
    await choose(frame, 'Layout', 'Swipe');
    expect(await frame.locator('.compare-sides .compare-name').allInnerTexts()).toEqual([
      ...['dog \u00b7 LoRA', 'dog \u00b7 PaRa'],
    ]);
    await frame
      .getByRole('slider', { name: /^Share of dog/ })
      .first()
      .fill('30');
    await frame.locator('h1').scrollIntoViewIfNeeded();
    await editor.screen('compare/swipe', 1000);
    expect(await editor.webviews.violations(frame)).toEqual([]);
    await choose(frame, 'Layout', 'Difference');
    await expect.poll(() => frame.locator('canvas').count()).toBe(2);
    // Grey where both are the same; these are not.
    const shades = (canvas: HTMLCanvasElement) => {
      const { data } = canvas.getContext('2d')!.getImageData(0, 0, canvas.width, canvas.height);
      return new Set(data).size;
    };
    await expect.poll(() => frame.locator('canvas').first().evaluate(shades)).toBeGreaterThan(10);
    expect(await editor.webviews.violations(frame)).toEqual([]);
    await choose(frame, 'Layout', 'Beside each other');
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
    await prompt.fill('a zwx dog in the snow');
    await prompt.press('Control+Enter');
    await pictures(1);
    await frame
      .getByRole('img', { name: /a zwx dog in the snow/ })
      .first()
      .waitFor();
    await editor.settled();
    await editor.screen('compare/generate');
    expect(await editor.webviews.violations(frame)).toEqual([]);
  });

  it('draws it from another seed and with another guidance, and goes back to a picture of before', async () => {
    const frame = await panel();
    const set = async (name: string, value: string) => {
      const [before] = await pictures(1);
      const field = frame.locator(`vscode-text-field[aria-label="${name}"] input`);
      await field.fill(value);
      await field.press('Enter');
      await expect.poll(async () => (await pictures(1))[0]).not.toBe(before);
    };
    const [first] = await pictures(1);
    await set('Seed', '7');
    await set('Guidance', '2');
    const drawn = frame.getByRole('button', { name: /a zwx dog in the snow, seed/ });
    await expect.poll(() => drawn.count()).toBe(3);
    await drawn.last().click();
    await expect.poll(() => pictures(1)).toEqual([first]);
    const seed = frame.locator('vscode-text-field[aria-label="Seed"] input');
    await expect.poll(() => seed.inputValue()).toBe('1');
  });

  it('draws it on another machine, to which the adapter is taken, and offers the base alone', async () => {
    await addHost(editor, 'gpu');
    const [here] = await pictures(1);
    const frame = await panel();
    await choose(frame, 'Draw on', 'gpu');
    await expect.poll(async () => (await pictures(1))[0]).not.toBe(here);
    const [there] = await pictures(1);
    await editor.settled();
    await editor.screen('compare/elsewhere');
    await frame.getByRole('button', { name: 'Other Adapter' }).click();
    await editor.input.asked('Draw with which adapter?');
    await editor.input.pick('Base');
    await frame.getByText('no adapter').waitFor();
    await expect.poll(async () => (await pictures(1))[0]).not.toBe(there);
  });
});
