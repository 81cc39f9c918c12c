import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { excused, fingerprint, noSshd, type Sshd } from '../../remote-agent/test/hosts/sshd.ts';
import type { Editor } from './driver/editor.ts';
import { pictureShown, shownStep } from './driver/panels.ts';
import { noEditor } from './driver/requirements.ts';
import { scene } from './driver/scene.ts';
import { makeWorkspace } from './driver/workspace.ts';
import { type Supplies, supplyHosts } from './fresh-host.ts';
import { startGpuHost } from './gpu-host.ts';

describe.skipIf(excused(noEditor ?? noSshd))('from the installation to an adapter of a GPU elsewhere', () => {
  const workspace = makeWorkspace('pictures');
  const exported = join(workspace.folder, 'dog.safetensors');
  let editor: Editor;
  let sshd: Sshd;
  let supplies: Supplies;

  scene({ workspace }, async (started) => {
    editor = started;
    sshd = await startGpuHost('gpu', editor.server.home, { agent: false });
    supplies = await supplyHosts(editor.server);
  });
  afterAll(() => sshd?.stop());
  afterAll(() => supplies?.stop());

  const runs = () => editor.views.rows('Runs');
  const panel = () => editor.webviews.frame();
  const screen = async (name: string) => {
    await editor.settled();
    await editor.screen(`whole-story/${name}`);
  };
  const step = async () => shownStep(await panel());
  /** Waits until base, LoRA and PaRa are drawn for both prompts. */
  const compared = async () => {
    await editor.text.tab(/^Compare: dog/).waitFor();
    const cells = (await panel()).locator('.compare-cell[data-state="done"] img');
    await expect.poll(() => cells.count(), { timeout: 240_000 }).toBe(6);
    await pictureShown(cells.first());
    return cells.evaluateAll((all: HTMLImageElement[]) => all.map(({ src }) => src));
  };

  it('opens the sample subject, and lets it be trained for longer', async () => {
    await editor.views.open('PaRa Studio');
    await (await editor.views.welcome('Subjects'))
      .getByRole('button', { name: 'Open the Sample Subject' })
      .click();
    await editor.text.tab('dog.para.json').waitFor();
    await expect.poll(() => editor.text.lenses()).toContain('Train');
    await screen('1-sample');
    await editor.text.place(3);
    await editor.page.keyboard.press('End');
    await editor.page.keyboard.insertText('\n"method": { "name": "lora" }, "training": { "steps": 600 },');
    await expect
      .poll(() => editor.text.lines())
      .toContainEqual(expect.stringContaining('"training": { "steps": 600 },'));
    await editor.text.save();
  });

  it('adds a host that has nothing but SSH, shows its key first, and puts the agent there', async () => {
    await editor.input.run('PaRa: Add Host');
    await editor.input.pick('gpu');
    await editor.input.asked('Add Host: its name');
    await editor.input.accept();
    expect(await editor.dialogs.text()).toContain(fingerprint(`${sshd.folder}/host_ed25519.pub`));
    await editor.screen('whole-story/2-host-key');
    await editor.dialogs.press('Trust This Key');
    await editor.input.asked('Check of gpu');
    await editor.screen('whole-story/3-check');
    await editor.input.pick('Install the agent on gpu');
    await editor.notices.wait(/^The agent .* is installed on gpu\.$/, 240_000);
    await expect
      .poll(() => editor.views.rows('Hosts'))
      .toEqual([expect.stringMatching(/^this machine/), expect.stringMatching(/^gpu .*connected/)]);
    expect(existsSync(join(sshd.home, '.para-studio/agent/current/para-agent'))).toBe(true);
    await screen('4-installed');
  });

  it('trains there, and losses and samples arrive in the panel of the run', async () => {
    await editor.input.run('PaRa: Train Subject');
    await editor.input.asked('Where?');
    await editor.input.pick('gpu');
    await editor.text.tab('dog \u00b7 LoRA').waitFor({ timeout: 120_000 });
    const frame = await panel();
    await expect.poll(step, { timeout: 120_000 }).toBeGreaterThan(3);
    const spoken = await frame.locator('[aria-label^="Losses of dog"]').getAttribute('aria-label');
    expect(spoken).toMatch(/after \d+ of 600 steps: 0\.\d+\./);
    const samples = frame.locator('.run-timeline td img');
    await expect.poll(() => samples.count(), { timeout: 120_000 }).toBeGreaterThanOrEqual(2);
    expect(await step()).toBeLessThan(600);
    await screen('5-running');
  });

  it('goes on in the window that is loaded again in the middle of the run, to its end', async () => {
    await editor.reload();
    await editor.text.tab('dog \u00b7 LoRA').waitFor();
    await expect.poll(step, { timeout: 60_000 }).toBeGreaterThan(0);
    const before = await step();
    expect(before).toBeLessThan(600);
    await expect.poll(step, { timeout: 60_000 }).toBeGreaterThan(before);
    await expect
      .poll(() => editor.views.rows('Hosts'))
      .toContainEqual(expect.stringMatching(/^gpu .*1 running/));
    await screen('6-loaded-again');
    const state = (await panel()).locator('.run-state', { hasText: 'finished' });
    await state.waitFor({ timeout: 500_000 });
    await pictureShown((await panel()).locator('.run-large img'));
    await screen('7-finished');
  }, 600_000);

  it('compares it with PaRa, which is trained there for that', async () => {
    await editor.page.getByRole('tab', { name: /^dog\.para\.json/ }).click();
    await editor.text.lens('Compare');
    expect(await editor.dialogs.text()).toContain('It is trained on gpu, as LoRA was.');
    await editor.dialogs.press('Train PaRa');
    await editor.text.tab('dog \u00b7 PaRa').waitFor({ timeout: 120_000 });
    await editor.text.tab(/^Compare: dog/).waitFor({ timeout: 240_000 });
    await editor.views.open('PaRa Studio');
    await expect
      .poll(runs)
      .toEqual([
        'dog | 2',
        expect.stringMatching(/^PaRa .*200 steps/),
        expect.stringMatching(/^LoRA .*600 steps/),
      ]);
    expect(new Set(await compared()).size).toBe(6);
    await editor.notices.clear();
    await (await panel()).locator('h1').scrollIntoViewIfNeeded();
    await screen('8-comparison');
    await editor.screen('comparison', 940);
  }, 600_000);

  it('exports what was learned for ComfyUI', async () => {
    await editor.views.click('Runs', /^LoRA/);
    await editor.text.tab('dog \u00b7 LoRA').waitFor();
    await (await panel()).getByRole('button', { name: 'Export', exact: true }).click();
    await editor.input.asked('Export dog for which tool?');
    await editor.input.pick('ComfyUI, A1111, Forge');
    await editor.input.asked('Export Adapter');
    await editor.input.enter(exported);
    await editor.notices.wait(`Wrote ${exported}.`, 60_000);
    expect(readFileSync(exported).includes('lora_unet_')).toBe(true);
    await screen('9-exported');
  });

  it('has it all again the next day', async () => {
    const before = await runs();
    await editor.page.getByRole('tab', { name: /^Compare: dog/ }).click();
    const pictures = await compared();
    await editor.server.halt();
    await editor.server.resume();
    await editor.open(workspace.folder);
    await editor.views.open('PaRa Studio');
    await expect.poll(runs).toEqual(before);
    await expect.poll(() => editor.views.rows('Adapters')).toHaveLength(2);
    await expect.poll(() => editor.views.rows('Hosts')).toContainEqual(expect.stringMatching(/^gpu/));
    // Which of the tabs was in front is kept every now and then.
    await editor.page.getByRole('tab', { name: /^Compare: dog/ }).click();
    expect(await compared()).toHaveLength(pictures.length);
    await screen('10-next-day');
    await editor.views.click('Runs', /^LoRA/);
    await editor.text.tab('dog \u00b7 LoRA').waitFor();
    await expect.poll(step).toBe(600);
    await expect.poll(() => editor.page.getByRole('tab', { name: /^dog \u00b7 LoRA/ }).count()).toBe(1);
    await pictureShown((await panel()).locator('.run-large img'));
    await screen('11-run-of-yesterday');
  });
});
