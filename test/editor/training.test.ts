import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { excused, noSshd, type Sshd } from '../../remote-agent/test/hosts/sshd.ts';
import { Editor } from './driver/editor.ts';
import { pictureOfFailure } from './driver/failures.ts';
import { noEditor, packagedExtension } from './driver/requirements.ts';
import { makeWorkspace } from './driver/workspace.ts';
import { startGpuHost } from './gpu-host.ts';

describe.skipIf(excused(noEditor ?? noSshd))('training from the editor', () => {
  const workspace = makeWorkspace('dog', 'dog');
  let editor: Editor;
  let sshd: Sshd;

  beforeAll(async () => {
    editor = await Editor.start({ workspace: workspace.folder, extensions: [packagedExtension] });
    sshd = await startGpuHost('gpu', editor.server.home);
  });
  afterEach((context) => pictureOfFailure(context, editor));
  afterAll(async () => {
    await editor?.stop();
    await sshd?.stop();
    workspace.remove();
  });

  it('trains a subject on this machine with one choice, and shows how far it is', async () => {
    await editor.views.open('PaRa Studio');
    await editor.input.run('PaRa: Train Subject');
    await editor.input.pick('dog');
    await expect
      .poll(() => editor.views.rows('Runs'), { timeout: 120_000 })
      .toEqual([expect.stringMatching(/dog.* step \d+/)]);
    await editor.screen('training/running-here');
    await expect
      .poll(() => editor.views.rows('Runs'), { timeout: 240_000 })
      .toEqual([expect.stringMatching(/dog.*done/)]);
    await editor.settled();
    await editor.screen('training/done-here');
  });

  it('adds a host, whose key is asked about and cannot be waved through', async () => {
    await editor.input.run('PaRa: Add Host');
    await editor.input.pick('gpu');
    await editor.input.accept();
    expect(await editor.dialogs.text()).toContain('SHA256:');
    await editor.screen('training/host-key');
    await editor.dialogs.press('Trust This Key');
    await editor.views.row('Hosts', 'gpu').then((row) => row.waitFor());
    await editor.settled();
    await editor.screen('training/hosts');
  });
});
