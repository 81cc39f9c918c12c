import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { excused } from '../../remote-agent/test/hosts/sshd.ts';
import type { Editor } from './driver/editor.ts';
import { pictureShown } from './driver/panels.ts';
import { noEditor } from './driver/requirements.ts';
import { scene } from './driver/scene.ts';
import { makeWorkspace } from './driver/workspace.ts';

describe.skipIf(excused(noEditor))('the first start after the installation', () => {
  const workspace = makeWorkspace('pictures');
  let editor: Editor;

  scene({ workspace }, (started) => {
    editor = started;
  });

  it('shows the views, each with what to do first', async () => {
    await editor.views.open('PaRa Studio');
    expect(await editor.views.titles()).toEqual(['Runs', 'Subjects', 'Adapters', 'Hosts']);
    await (await editor.views.welcome('Runs')).filter({ hasText: 'No runs yet' }).waitFor();
    await editor.settled();
    await editor.screen('first-start/views');
  });

  it('opens the sample subject and trains it with one press', async () => {
    await (await editor.views.welcome('Runs'))
      .getByRole('button', { name: 'Train the Sample Subject' })
      .click();
    await expect
      .poll(async () => (await editor.views.rows('Runs'))[1], { timeout: 240_000 })
      .toMatch(/^PaRa .*\| \d+\/200/);
    await editor.page.getByRole('tab', { name: /^dog\.para\.json/ }).waitFor();
  });

  it('says that the list of hosts is damaged, opens it, and goes on when it is mended', async () => {
    const file = join(editor.server.home, '.local/share/para-studio/hosts.json');
    writeFileSync(file, '[{ "name": ');
    const damaged = /^The list of hosts cannot be read/;
    await expect
      .poll(() => editor.views.rows('Hosts'))
      .toEqual([expect.stringMatching(/^this machine/), expect.stringMatching(damaged)]);
    await editor.views.click('Hosts', damaged);
    await editor.text.tab('hosts.json').waitFor();
    writeFileSync(file, '[]');
    await expect.poll(() => editor.views.rows('Hosts')).toEqual([expect.stringMatching(/^this machine/)]);
  });

  it('opens the documentation, whose pages lead to each other', async () => {
    await editor.input.run('PaRa: Open Documentation');
    await editor.text.tab('Preview editor.md').waitFor();
    const page = await editor.webviews.frame();
    await page.getByRole('heading', { name: 'From pictures to an adapter' }).waitFor();
    await pictureShown(page.locator('img').first());
    await page.getByRole('link', { name: 'hosts.md' }).first().click();
    await editor.text.tab(/hosts\.md$/).waitFor();
  });

  it('shows the log by command', async () => {
    await editor.input.run('PaRa: Show Log');
    await editor.page
      .locator('.part.panel')
      .getByRole('tab', { name: /^Output/ })
      .waitFor();
  });
});
