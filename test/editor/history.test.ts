import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { writeRemote } from '../../remote-agent/src/hosts/remote-ref.ts';
import { createJob } from '../../remote-agent/src/jobs/job.ts';
import { excused } from '../../remote-agent/test/hosts/sshd.ts';
import { emptySpec } from '../../remote-agent/test/jobs/host.ts';
import type { Editor } from './driver/editor.ts';
import { pictureShown } from './driver/panels.ts';
import { noEditor } from './driver/requirements.ts';
import { scene } from './driver/scene.ts';
import { makeWorkspace } from './driver/workspace.ts';

/** What is learned does not matter here, and so it is little. */
const subject = (pictures: string, steps: number) =>
  JSON.stringify(
    {
      ...{ base: 'pocket-sdxl', pictures: [pictures], trigger: 'zwx', class: 'dog' },
      ...{ training: { steps }, samples: { prompts: ['a zwx dog on the beach'] } },
    },
    null,
    2,
  );

describe.skipIf(excused(noEditor))('the history of runs', () => {
  const workspace = makeWorkspace('dog', 'dog');
  let editor: Editor;

  workspace.write('dog.para.json', subject('*.png', 120));
  workspace.write('puppy.para.json', subject('dog-1.png', 120));
  scene({ workspace }, async (started) => {
    editor = started;
    await editor.views.open('PaRa Studio');
  });

  const rows = () => editor.views.rows('Runs');
  /** Waits until the newest run of all shows this. */
  const newest = (what: RegExp) =>
    expect.poll(async () => (await rows())[1], { timeout: 120_000 }).toMatch(what);
  const closePanels = () => editor.input.run('View: Close All Editors');
  /** Leaves the panel of the run for its subject's file. */
  const lookElsewhere = async () => {
    await closePanels();
    await editor.text.open('dog.para.json');
    await expect.poll(() => editor.text.lenses()).toContain('Train');
    await editor.views.open('PaRa Studio');
  };

  it('tells when a run ends that nobody looks at', async () => {
    await editor.views.action('Subjects', 'dog', 'Train Subject');
    await editor.text.tab('dog \u00b7 PaRa').waitFor();
    await lookElsewhere();
    await editor.notices.wait('dog: PaRa is finished after 120 steps.', 120_000);
    await expect.poll(() => editor.views.rows('Adapters')).toHaveLength(1);
    await editor.screen('history/ended');
    await editor.notices.press('dog: PaRa is finished after 120 steps.', 'Show Run');
    await editor.text.tab('dog \u00b7 PaRa').waitFor();
  });

  it('says of a run what it was, with the picture it drew last', async () => {
    await newest(/^PaRa \d\d:\d\d \| 120 steps \u00b7 loss \d\.\d{3}$/);
    const tooltip = await editor.views.tooltip('Runs', /^PaRa/);
    await expect
      .poll(() => tooltip.innerText())
      .toMatch(
        /State\s+finished\s+Steps\s+120\s\/\s120\s+Loss\s+\d\.\d{4}\s+Method\s+PaRa,\srank\s\d[\d\u2013]*,\slearning\srate\s0\.01[^,]*,\sbatch\s\d+,.*\sseed\s\d+\s+Base\s+pocket-sdxl/,
      );
    await pictureShown(tooltip.locator('img'));
    await editor.screen('history/tooltip');
  });

  it('reveals the folder of a run; an editor in a browser gives its path', async () => {
    await editor.input.run('PaRa: Reveal Run Folder'); // there is no other run
    const folder = await editor.notices.wait(/para-studio\/runs\/\S*dog/);
    expect(existsSync(join(folder, 'adapter.safetensors'))).toBe(true);
    await editor.notices.press(folder, 'Copy Path');
    await expect.poll(() => editor.page.evaluate(() => navigator.clipboard.readText())).toBe(folder);
  });

  it('takes a finished run to more steps, and shows in the status bar how far it is', async () => {
    await editor.views.action('Runs', /^PaRa/, 'Continue Training');
    await editor.input.asked('Continue dog to how many steps?');
    await editor.input.enter('100');
    await expect.poll(() => editor.input.message()).toBe('A number above 120');
    await editor.input.enter('5000');
    await editor.text.tab('dog \u00b7 PaRa').waitFor();
    await lookElsewhere();
    const status = editor.status(/dog [1-9]\d* %/);
    await status.waitFor({ timeout: 120_000 });
    await expect.poll(() => editor.views.rows('Hosts')).toEqual([expect.stringMatching(/\| 1 running/)]);
    await editor.settled();
    await editor.screen('history/running');
    await status.click();
    await editor.text.tab('dog \u00b7 PaRa').waitFor();
  });

  it('stops a run where its trainer is, so that it can go on later', async () => {
    await newest(/\d+\/5000/);
    await editor.views.action('Runs', /^PaRa/, 'Stop Training');
    await newest(/stopped/);
    await editor.status(/dog \d+ %/).waitFor({ state: 'hidden' });
    await closePanels();
  });

  it('groups and filters runs', async () => {
    await editor.views.action('Subjects', 'puppy', 'Train Subject');
    await expect
      .poll(rows, { timeout: 120_000 })
      .toEqual([
        'puppy | 1',
        expect.stringMatching(/120 steps/),
        'dog | 1',
        expect.stringMatching(/stopped/),
      ]);
    await editor.input.run('PaRa: Group Runs by Host');
    await expect
      .poll(rows)
      .toEqual([
        'this machine | 2',
        expect.stringMatching(/120 steps .* puppy$/),
        expect.stringMatching(/stopped .* dog$/),
      ]);
    await editor.input.run('PaRa: Group Runs by Subject');
    await editor.input.run('PaRa: Filter Runs');
    await editor.input.asked('Filter Runs');
    await editor.input.enter('puppy');
    await expect.poll(rows).toEqual(['puppy | 1', expect.stringMatching(/120 steps/)]);
    await editor.input.run('PaRa: Filter Runs');
    await editor.input.enter('cat');
    await (await editor.views.welcome('Runs')).filter({ hasText: 'No run fits the filter' }).waitFor();
    await editor.input.run('PaRa: Clear Filter of Runs');
    await expect.poll(rows).toHaveLength(4);
  });

  it('deletes a run, and gives it back', async () => {
    const before = await rows();
    await editor.views.menu('Runs', /^PaRa/, 'Delete Run');
    await editor.notices.wait('Deleted the run of puppy.');
    await expect.poll(rows).toHaveLength(2);
    await editor.notices.press('Deleted the run of puppy.', 'Undo');
    await expect.poll(rows).toEqual(before);
  });

  it('deletes a run that waits on a host that is gone, once that is agreed to', async () => {
    const before = await rows();
    const run = join(editor.server.home, '.local/share/para-studio/runs/rented');
    createJob(run, { ...emptySpec(new Date().toISOString()), subject: 'rented' });
    writeRemote(run, { host: 'gone', id: 'rented', bring: 'best', fetched: {} });
    await newest(/waiting \u00b7 gone/);
    await editor.views.menu('Runs', /^PaRa/, 'Delete Run');
    expect(await editor.dialogs.text()).toContain('gone is not reached');
    await editor.dialogs.press('Delete All the Same');
    await expect.poll(rows).toEqual(before);
    expect(existsSync(run)).toBe(false);
  });

  it('is the same in another window, and the next day', async () => {
    const before = await rows();
    const second = await editor.secondWindow(workspace.folder);
    await second.views.open('PaRa Studio');
    await expect.poll(() => second.views.rows('Runs')).toEqual(before);
    await second.views.menu('Runs', /^PaRa/, 'Delete Run');
    await expect.poll(rows).toHaveLength(2);
    await second.page.close();
    await editor.server.halt();
    await editor.server.resume();
    await editor.open(workspace.folder);
    await editor.views.open('PaRa Studio');
    await expect.poll(rows).toEqual(before.slice(2));
    await editor.views.click('Runs', /^PaRa/);
    const frame = await editor.webviews.frame();
    await frame.getByText('stopped', { exact: true }).waitFor();
    await editor.screen('history/next-day');
  });
});
