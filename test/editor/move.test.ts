import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { excused, noSshd, type Sshd } from '../../remote-agent/test/hosts/sshd.ts';
import type { Editor } from './driver/editor.ts';
import { noEditor } from './driver/requirements.ts';
import { scene } from './driver/scene.ts';
import { makeWorkspace } from './driver/workspace.ts';
import { addHost, startGpuHost } from './gpu-host.ts';

const subject = {
  ...{ base: 'pocket-sdxl', pictures: ['*.png'], trigger: 'zwx', class: 'dog' },
  // It goes on through all of this, however fast this machine is.
  ...{ training: { steps: 20_000 }, samples: { prompts: [] }, checkpoints: { every: 20 } },
};

describe.skipIf(excused(noEditor ?? noSshd))('a run that goes on elsewhere', () => {
  const workspace = makeWorkspace('dog', 'dog');
  let editor: Editor;
  let sshd: Sshd;

  workspace.write('dog.para.json', JSON.stringify(subject));
  scene({ workspace }, async (started) => {
    editor = started;
    sshd = await startGpuHost('gpu', editor.server.home);
    await editor.views.open('PaRa Studio');
    await addHost(editor, 'gpu');
  });
  afterAll(() => sshd?.stop());

  const row = async () => (await editor.views.rows('Runs'))[1] ?? '';
  const step = async () => Number(/(\d+)\/20000/.exec(await row())?.[1] ?? Number.NaN);
  const untilStep = (least: number, where: RegExp) =>
    expect
      .poll(async () => where.test(await row()) && (await step()) > least, { timeout: 120_000 })
      .toBe(true);
  const [here, there] = [/^PaRa (?!.*gpu)/, /^PaRa .*gpu$/];
  /** States of the jobs on the host. */
  const jobsThere = () => {
    const folder = join(sshd.home, '.para-studio/runs');
    return readdirSync(folder)
      .filter((name) => !name.startsWith('.'))
      .map((name) => JSON.parse(readFileSync(join(folder, name, 'status.json'), 'utf8')).state);
  };

  it('is stopped on its host first, and goes on here from where it stopped', async () => {
    await editor.views.action('Subjects', 'dog', 'Train Subject');
    await untilStep(0, here);
    await editor.views.menu('Runs', /^PaRa/, 'Stop Training');
    await expect.poll(row, { timeout: 60_000 }).toMatch(/stopped/);
    await editor.views.menu('Runs', /^PaRa/, 'Continue Training Elsewhere');
    await editor.input.asked('Continue dog where?');
    expect(await editor.input.labels()).toEqual(['gpu']);
    await editor.input.pick('gpu');
    await editor.text.tab('dog \u00b7 PaRa').waitFor();
    await untilStep(50, there);
    const before = await step();
    expect(jobsThere()).toEqual(['running']);
    await editor.views.menu('Runs', /^PaRa/, 'Continue Training Elsewhere');
    await editor.input.asked('Continue dog where?');
    await editor.input.pick('this machine');
    await untilStep(before, here);
    expect(jobsThere()).toEqual(['stopped']);
    const events = (await editor.webviews.frame()).locator('.run-events');
    await expect.poll(() => events.innerText()).toMatch(/Went on from step \d+/);
  });

  it('is not taken away from this machine while it is trained here', async () => {
    await editor.views.menu('Runs', /^PaRa/, 'Continue Training Elsewhere');
    await editor.notices.wait('This run is being trained on this machine. Stop it first.');
    await editor.views.menu('Runs', /^PaRa/, 'Stop Training');
    await expect.poll(row, { timeout: 60_000 }).toMatch(/stopped/);
  });

  it('goes on from what came home where its host is gone', async () => {
    await editor.input.run('PaRa: Continue Training Elsewhere');
    await editor.input.asked('Continue dog where?');
    await editor.input.pick('gpu');
    await untilStep(100, there);
    sshd.halt();
    await editor.views.menu('Runs', /^PaRa/, 'Continue Training Elsewhere');
    await editor.input.asked('Continue dog where?');
    await editor.input.pick('this machine');
    const told = await editor.notices.wait(/^gpu is not reached\. The run goes on from step \d+/, 120_000);
    await untilStep(Number(/step (\d+)/.exec(told)?.[1]), here);
    await editor.views.menu('Runs', /^PaRa/, 'Stop Training');
    await expect.poll(row, { timeout: 60_000 }).toMatch(/stopped/);
  });
});
