import { appendFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { excused } from '../../remote-agent/test/hosts/sshd.ts';
import type { Editor } from './driver/editor.ts';
import { pictureShown, shownStep } from './driver/panels.ts';
import { noEditor } from './driver/requirements.ts';
import { scene } from './driver/scene.ts';
import { makeWorkspace } from './driver/workspace.ts';

const subject = {
  ...{ base: 'pocket-sdxl', pictures: ['*.png'], trigger: 'zwx', class: 'dog' },
  // It is looked at while it goes on, however fast this machine is, and stopped in the end.
  training: { steps: 4000 },
  samples: { every: 25, steps: 8, prompts: ['a zwx dog on the beach', 'a zwx dog on a yellow background'] },
  validation: { every: 50, pictures: ['held-out/*.png'] },
};

describe.skipIf(excused(noEditor))('the panel of a run', () => {
  const workspace = makeWorkspace('dog', 'dog');
  let editor: Editor;

  workspace.write('dog.para.json', JSON.stringify(subject));
  scene({ workspace }, async (started) => {
    editor = started;
    await editor.views.open('PaRa Studio');
    await editor.views.action('Subjects', 'dog', 'Train Subject');
    await editor.text.tab('dog \u00b7 PaRa').waitFor();
  });

  const panel = () => editor.webviews.frame();
  const step = async () => shownStep(await panel());
  /** What the chart says to somebody who does not see it. */
  const spoken = async () =>
    (await panel()).locator('[aria-label^="Losses of dog"]').getAttribute('aria-label');
  const drawn = async () =>
    (await panel()).locator('canvas').evaluate((canvas: HTMLCanvasElement) => canvas.toDataURL());

  it('draws losses as they are made', async () => {
    await expect.poll(step, { timeout: 120_000 }).toBeGreaterThan(3);
    const [first, chart] = [await step(), await drawn()];
    expect(await spoken()).toMatch(/^Losses of dog after \d+ of 4000 steps: 0\.\d+\./);
    await expect.poll(step, { timeout: 60_000 }).toBeGreaterThan(first);
    // The line is drawn with the next frame.
    await expect.poll(drawn, { timeout: 60_000 }).not.toBe(chart);
  });

  it('lists the layers of a run that goes on, once it has kept an adapter', async () => {
    const frame = await panel();
    await frame.getByRole('tab', { name: 'Layers' }).click();
    const rows = frame.locator('.run-layers tbody tr');
    await expect.poll(() => rows.count(), { timeout: 120_000 }).toBeGreaterThan(0);
    expect(await step()).toBeLessThan(4000);
    const facts = (await frame.locator('.run-facts').innerText()).replaceAll(',', '');
    const told = await frame.getByRole('status').filter({ hasText: 'parameters' }).innerText();
    const [layers, parameters] = told.replaceAll(',', '').match(/\d+/g)!;
    expect(await rows.count()).toBe(Number(layers));
    expect(facts).toContain(parameters);
    await frame.getByRole('tab', { name: 'Events' }).click();
  });

  it('shows samples as they are drawn, beside the step and the prompt they are of', async () => {
    const samples = (await panel()).locator('.run-timeline td img');
    await expect.poll(() => samples.count(), { timeout: 60_000 }).toBeGreaterThanOrEqual(4);
    expect(await step()).toBeLessThan(4000);
    // Pictures are read when they come into sight.
    await samples.first().scrollIntoViewIfNeeded();
    await pictureShown(samples.first());
    await editor.settled();
    await editor.screen('run-panel/samples');
  });

  it('goes on by itself when the window is loaded again', async () => {
    await editor.reload();
    await editor.text.tab('dog \u00b7 PaRa').waitFor();
    await expect.poll(step, { timeout: 60_000 }).toBeGreaterThan(0);
    const before = await step();
    await expect.poll(step, { timeout: 60_000 }).toBeGreaterThan(before);
    await editor.views.open('PaRa Studio');
  });

  it('has the newest samples in sight, however many there are', async () => {
    const frame = await panel();
    const heads = frame.locator('.run-timeline thead th');
    await expect.poll(() => heads.count(), { timeout: 120_000 }).toBeGreaterThan(12);
    const hidden = () =>
      frame.locator('.run-timeline').evaluate((timeline) => {
        const last = timeline.querySelector('thead th:last-child')!.getBoundingClientRect();
        return Math.max(0, Math.round(last.right - timeline.getBoundingClientRect().right));
      });
    expect(await frame.locator('.run-timeline').evaluate((t) => t.scrollWidth > t.clientWidth)).toBe(true);
    await expect.poll(hidden).toBe(0);
  });

  it('compares two steps with a slider', async () => {
    const frame = await panel();
    await frame.getByRole('checkbox', { name: 'Compare two steps' }).click();
    const slider = frame.getByRole('slider', { name: /^Share of Step/ });
    await slider.fill('30');
    await frame.locator('.ui-swipe').scrollIntoViewIfNeeded();
    await expect
      .poll(() => frame.locator('.ui-swipe-line').evaluate((line: HTMLElement) => line.style.left))
      .toBe('30%');
    await editor.screen('run-panel/two-steps');
  });

  it('lists layers with their ranks, settings and events', async () => {
    const frame = await panel();
    for (const [tab, text] of [
      ['Settings', 'picture 1'],
      ['Layers', 'attn1.to_q'],
      ['Events', 'Started: 4,000 steps'],
    ] as const) {
      await frame.getByRole('tab', { name: tab }).click();
      await frame.locator('vscode-panel-view').filter({ hasText: text }).first().waitFor();
    }
    await frame.locator('.ui-tabs').scrollIntoViewIfNeeded();
  });

  it('shows what is written to the log while one looks at it', async () => {
    const runs = join(editor.server.home, '.local/share/para-studio/runs');
    const [run] = readdirSync(runs).filter((name) => !name.startsWith('.'));
    const frame = await panel();
    await frame.getByRole('tab', { name: 'Log' }).click();
    for (const word of ['one word', 'and another']) {
      appendFileSync(join(runs, run!, 'log.txt'), `${word}\n`);
      await frame.getByText(word).waitFor();
    }
    await frame.getByRole('tab', { name: 'Events' }).click();
  });

  it.each([
    ['dark', 'Dark Modern'],
    ['light', 'Light Modern'],
    ['high-contrast', 'Dark High Contrast'],
    ['high-contrast-light', 'Light High Contrast'],
  ])('keeps nobody out in %s colours', async (name, theme) => {
    await editor.theme(theme);
    const frame = await panel();
    await frame.locator('h1').scrollIntoViewIfNeeded();
    expect(await editor.webviews.violations(frame)).toEqual([]);
    if (name === 'dark') await editor.screen('run', 1180);
    else if (name !== 'high-contrast-light') await editor.screen(`themes/run-${name}`);
  });

  it('stops the run', async () => {
    const frame = await panel();
    await frame.getByRole('button', { name: 'Stop' }).click();
    await frame.getByRole('button', { name: 'Continue' }).waitFor({ timeout: 60_000 });
    expect(await step()).toBeLessThan(4000);
  });

  it('reads values, and goes nearer, by mouse and by keyboard', async () => {
    const frame = await panel();
    const chart = frame.locator('[aria-label^="Losses of dog"]');
    const legend = frame.locator('.ui-legend');
    await chart.scrollIntoViewIfNeeded();
    await chart.hover();
    await expect.poll(() => legend.innerText()).toMatch(/Step \d+\s+Loss\s*0\.\d+\s+Smoothed\s*0\.\d+/);
    await chart.focus();
    const at = async () => Number(/Step (\d+)/.exec(await legend.innerText())?.[1]);
    const before = await at();
    await chart.press('ArrowRight');
    await expect.poll(at).toBeGreaterThan(before);
    const first = frame.getByRole('slider', { name: 'First step shown' });
    expect(await first.count()).toBe(0);
    await chart.press('+');
    await first.waitFor();
    await frame.getByRole('button', { name: 'Show All' }).click();
    await first.waitFor({ state: 'detached' });
    await editor.page.keyboard.down('Control');
    await chart.hover();
    await editor.page.mouse.wheel(0, -200);
    await editor.page.keyboard.up('Control');
    await first.waitFor();
    await chart.press('Home');
    await first.waitFor({ state: 'detached' });
  });

  it('draws the learning rate, and losses on a logarithmic scale', async () => {
    const frame = await panel();
    const box = (name: string) => frame.getByRole('checkbox', { name });
    await editor.page.mouse.move(640, 790);
    const plain = await drawn();
    await box('Logarithmic').click();
    await expect.poll(drawn).not.toBe(plain);
    const logarithmic = await drawn();
    await box('Learning rate').click();
    await expect.poll(() => frame.locator('.ui-legend').innerText()).toContain('Learning rate');
    expect(await drawn()).not.toBe(logarithmic);
  });
});
