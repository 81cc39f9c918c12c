import { describe, expect, it } from 'vitest';
import { excused } from '../../remote-agent/test/hosts/sshd.ts';
import type { Editor } from './driver/editor.ts';
import { noEditor } from './driver/requirements.ts';
import { scene } from './driver/scene.ts';
import { makeWorkspace } from './driver/workspace.ts';

describe.skipIf(excused(noEditor))('the walkthrough', () => {
  const workspace = makeWorkspace('pictures');
  let editor: Editor;

  scene({ workspace }, (started) => {
    editor = started;
  });

  const step = (id: string) => editor.page.locator(`.getting-started-step[data-step-id$="#${id}"]`);
  /** Waits until a step is ticked off, where the walkthrough is looked at again. */
  const isDone = async (id: string) => {
    await editor.input.run('Welcome: Open Walkthrough...');
    await editor.input.pick('Teach a model your subject');
    await expect.poll(() => step(id).getAttribute('aria-checked'), { timeout: 60_000 }).toBe('true');
  };
  /** Brings the walkthrough to the front, unfolds a step and presses its button. */
  const press = async (id: string, button: string) => {
    await editor.input.run('Welcome: Open Walkthrough...');
    await editor.input.pick('Teach a model your subject');
    await step(id).waitFor();
    if ((await step(id).getAttribute('aria-expanded')) !== 'true')
      await step(id).locator('.step-title').click();
    await step(id).getByRole('button', { name: button, exact: true }).click();
  };

  it('opens from where there is no run yet, and leads from the sample to a host', async () => {
    await editor.views.open('PaRa Studio');
    await (await editor.views.welcome('Runs')).getByText('Show me how').click();
    await step('sample').waitFor();
    const titles = editor.page.locator('.getting-started-step .step-title');
    await expect
      .poll(() => titles.allInnerTexts())
      .toEqual([
        'Open the sample subject',
        'Train it on this machine',
        'Compare LoRA and PaRa',
        'Take the adapter home',
        'Use a GPU somewhere else',
      ]);
    await editor.settled();
    await editor.screen('walkthrough/start');
  });

  it('opens the sample subject, and ticks that off', async () => {
    await press('sample', 'Open the Sample Subject');
    await editor.text.tab('dog.para.json').waitFor();
    // LoRA of a thousand steps takes longer than a test needs; PaRa is left for the comparison.
    await editor.page.keyboard.press('Control+Home');
    await editor.page.keyboard.press('End');
    await editor.page.keyboard.insertText('\n  "method": { "name": "lora" }, "training": { "steps": 60 },');
    await editor.text.save();
    await isDone('sample');
  });

  it('trains it on this machine, and ticks that off', async () => {
    await press('train', 'Train the Sample Subject');
    await editor.text.tab('dog \u00b7 LoRA').waitFor({ timeout: 120_000 });
    const frame = await editor.webviews.frame();
    await frame.locator('.run-state', { hasText: 'finished' }).waitFor({ timeout: 240_000 });
    await isDone('train');
  });

  it('compares it with PaRa, which is trained for that with no other question; ticked off when it is seen', async () => {
    await press('compare', 'Compare LoRA and PaRa');
    expect(await editor.dialogs.text()).toContain('dog was not trained with PaRa yet.');
    await editor.settled();
    await editor.screen('walkthrough/compare');
    await editor.dialogs.press('Train PaRa');
    await editor.text.tab('dog \u00b7 PaRa').waitFor({ timeout: 120_000 });
    // The window may be loaded again meanwhile: what waits for the run does not forget. Nobody looks at the run.
    await editor.reload();
    await editor.input.run('View: Close All Editors');
    // The editor ticks off what happens once it knows of the steps, which in a window loaded again is when they are shown.
    await editor.input.run('Welcome: Open Walkthrough...');
    await editor.input.pick('Teach a model your subject');
    await editor.notices.wait('dog is trained with LoRA and PaRa now.', 240_000);
    await editor.notices.press('dog is trained with LoRA and PaRa now.', 'Compare LoRA and PaRa');
    await editor.text.tab(/^Compare: dog/).waitFor({ timeout: 60_000 });
    const names = (await editor.webviews.frame()).locator('thead th .compare-name');
    await expect.poll(() => names.allInnerTexts()).toEqual(['Base', 'dog \u00b7 LoRA', 'dog \u00b7 PaRa']);
    await isDone('compare');
  });

  it('exports and adds a host by its other buttons, each of which is ticked off', async () => {
    await press('export', 'Export Adapter');
    await editor.input.asked('Export which adapter?');
    await editor.input.pick('dog');
    await editor.input.asked('Export dog for which tool?');
    await editor.input.cancel();
    await isDone('export');
    await press('host', 'Add Host');
    await editor.input.asked('Add Host');
    await editor.input.cancel();
    await isDone('host');
    await editor.settled();
    await editor.screen('walkthrough/done');
  });
});
