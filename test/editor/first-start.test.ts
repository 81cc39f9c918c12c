import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { excused } from '../../remote-agent/test/hosts/sshd.ts';
import { Editor } from './driver/editor.ts';
import { pictureOfFailure } from './driver/failures.ts';
import { noEditor, packagedExtension } from './driver/requirements.ts';

describe.skipIf(excused(noEditor))('the first start after the installation', () => {
  let workspace: string;
  let editor: Editor;

  beforeAll(async () => {
    workspace = mkdtempSync(join(tmpdir(), 'para-workspace-'));
    editor = await Editor.start({ workspace, extensions: [packagedExtension] });
  });
  afterEach((context) => pictureOfFailure(context, editor));
  afterAll(async () => {
    await editor?.stop();
    rmSync(workspace, { recursive: true, force: true });
  });

  it('shows the views, each with what to do first', async () => {
    await editor.views.open('PaRa Studio');
    expect(await editor.views.titles()).toEqual(['Runs', 'Subjects', 'Adapters', 'Hosts']);
    await editor.screen('first-start/views');
  });

  it('shows the log by command', async () => {
    await editor.input.run('PaRa: Show Log');
    await editor.page
      .locator('.part.panel')
      .getByRole('tab', { name: /^Output/ })
      .waitFor();
    await editor.screen('first-start/log');
  });
});
