import { appendFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'jsonc-parser';
import { afterAll, describe, expect, it } from 'vitest';
import { excused, fingerprint, noSshd, type Sshd } from '../../remote-agent/test/hosts/sshd.ts';
import type { Editor } from './driver/editor.ts';
import { pictureShown, shownStep } from './driver/panels.ts';
import { noEditor } from './driver/requirements.ts';
import { scene } from './driver/scene.ts';
import { makeWorkspace } from './driver/workspace.ts';
import { startGpuHost } from './gpu-host.ts';

describe.skipIf(excused(noEditor ?? noSshd))('training from the editor', () => {
  const workspace = makeWorkspace('dog', 'dog');
  const other = makeWorkspace('other', 'dog');
  let editor: Editor;
  let sshd: Sshd;

  /** Makes runs of the subject so long that they still go on when they are looked at, however fast this machine is. */
  const train = (steps: number) => {
    const file = join(workspace.folder, 'dog.para.json');
    const subject = parse(readFileSync(file, 'utf8'));
    writeFileSync(file, JSON.stringify({ ...subject, training: { steps } }));
  };
  train(300);
  scene({ workspace }, async (started) => {
    editor = started;
    sshd = await startGpuHost('gpu', editor.server.home);
  });
  afterAll(() => sshd?.stop());
  afterAll(() => other.remove());

  const runs = () => editor.views.rows('Runs');
  /** Waits until the newest run shows this. */
  const newestRun = (what: RegExp) =>
    expect.poll(async () => (await runs())[1], { timeout: 240_000 }).toMatch(what);

  /** Waits until the panel of a run has losses and a first picture to show. */
  const wellUnderWay = async () => {
    const panel = await editor.webviews.frame();
    await expect.poll(() => shownStep(panel), { timeout: 120_000 }).toBeGreaterThan(60);
    await pictureShown(panel.locator('.run-large img'));
    await editor.settled();
  };

  it('trains a subject on this machine with one choice, and shows how far it is', async () => {
    await editor.views.open('PaRa Studio');
    await editor.input.run('PaRa: Train Subject');
    await editor.input.pick('dog');
    await newestRun(/^PaRa .*\| \d+\/300.*loss 0\.\d/);
    await wellUnderWay();
    await editor.screen('training/running-here');
    await newestRun(/^PaRa .*\| 300 steps/);
    await editor.settled();
    expect(await editor.webviews.violations(await editor.webviews.frame())).toEqual([]);
  });

  it('adds a host, whose key is shown before anything is sent', async () => {
    await editor.input.run('PaRa: Add Host');
    await editor.input.pick('gpu');
    await editor.input.asked('Add Host: its name');
    await editor.input.accept();
    expect(await editor.dialogs.text()).toContain(fingerprint(`${sshd.folder}/host_ed25519.pub`));
    await editor.screen('training/host-key');
    await editor.dialogs.press('Trust This Key');
    await editor.input.asked('Check of gpu');
    await editor.input.cancel();
  });

  it('trains over SSH; the window may be loaded again and the link cut meanwhile', async () => {
    train(1000);
    await editor.input.run('PaRa: Train Subject');
    await editor.input.pick('dog');
    await editor.input.asked('Where?');
    await editor.input.pick('gpu');
    await newestRun(/\d+\/1000.*loss 0\.\d/);
    await wellUnderWay();
    await editor.screen('training/running-there');
    await editor.reload();
    await editor.views.open('PaRa Studio');
    await newestRun(/\d+\/1000.*loss 0\.\d/);
    // It moves: this window is connected.
    const step = async () => Number(/(\d+)\/1000/.exec((await runs())[1] ?? '')?.[1]);
    const before = await step();
    await expect.poll(step, { timeout: 60_000 }).toBeGreaterThan(before);
    sshd.killSessions();
    await newestRun(/\| 1000 steps/);
    await editor.settled();
    await editor.screen('training/done-there');
  });

  it('still tells of the lost link, and reads the log there, when the window is loaded again', async () => {
    const jobs = join(sshd.home, '.para-studio', 'runs');
    for (const job of readdirSync(jobs))
      if (existsSync(join(jobs, job, 'spec.json')))
        appendFileSync(join(jobs, job, 'log.txt'), 'a word from there\n');
    await editor.reload();
    await editor.views.open('PaRa Studio');
    // The panel that was in front comes back by itself, and would be taken for that of the other run.
    await editor.input.run('View: Close All Editors');
    await editor.views.click('Runs', /^PaRa/);
    const tab = async (name: string) => {
      const frame = await editor.webviews.frame();
      await frame.getByRole('tab', { name }).click();
      return frame;
    };
    await (await tab('Events')).getByText('Connection to the host lost').first().waitFor();
    const log = await tab('Log');
    await log.getByText('The log is on gpu, which is not connected.').waitFor();
    await log.getByRole('button', { name: 'Open in Editor' }).click();
    await expect.poll(() => editor.text.lines()).toContain('a word from there');
    await editor.views.click('Runs', /^PaRa/);
    await tab('Events');
    await (await tab('Log')).getByText('a word from there').waitFor();
  });

  it('in a new folder trains where one trained last, says so, and lets it be elsewhere', async () => {
    await editor.open(other.folder);
    await editor.views.open('PaRa Studio');
    await editor.views.action('Subjects', 'dog', 'Train Subject');
    await editor.notices.wait('dog is trained on gpu.', 60_000);
    await editor.notices.press('dog is trained on gpu.', 'Train Elsewhere...');
    await editor.input.asked('Where?');
    await editor.input.pick('this machine');
    await newestRun(/^PaRa (?!.*gpu).*\d+\/200/);
  });
});
