import { describe, expect, it } from 'vitest';
import { excused } from '../../remote-agent/test/hosts/sshd.ts';
import type { Editor } from './driver/editor.ts';
import { pictureShown } from './driver/panels.ts';
import { noEditor } from './driver/requirements.ts';
import { scene } from './driver/scene.ts';
import { makeWorkspace } from './driver/workspace.ts';

describe.skipIf(excused(noEditor))('a workspace that is not trusted', () => {
  const workspace = makeWorkspace('dog', 'dog');
  let editor: Editor;

  scene(
    {
      workspace,
      asksForTrust: true,
      settings: { 'security.workspace.trust.startupPrompt': 'never' },
    },
    (started) => {
      editor = started;
    },
  );

  it('lets you look, and says why nothing is trained', async () => {
    await editor.views.open('PaRa Studio');
    const welcome = await editor.views.welcome('Runs');
    await welcome
      .filter({ hasText: 'Training is switched off because this workspace is not trusted.' })
      .waitFor();
    await expect.poll(() => editor.views.rows('Subjects')).toEqual(['dog']);
    await editor.views.click('Subjects', 'dog');
    await editor.text.tab('dog.para.json').waitFor();
    await expect.poll(() => editor.text.lenses()).toContain('Show Runs');
    await editor.input.run('PaRa: Open in Subject Editor');
    const frame = await editor.webviews.frame();
    await frame.getByRole('heading', { name: '6 pictures' }).waitFor();
    const picture = frame.locator('.subject-card img').first();
    await pictureShown(picture);
    expect(
      await frame.locator('vscode-button', { hasText: 'Train' }).getAttribute('disabled'),
    ).not.toBeNull();
    await editor.screen('trust/restricted');
  });

  it('finds nothing wrong with a subject file that is right', async () => {
    await editor.text.open('dog.para.json');
    await editor.input.run('View: Reopen Editor With...');
    await editor.input.pick(/^Text Editor/);
    await expect.poll(() => editor.text.lenses()).toContain('Show Runs');
    expect(await editor.text.problems()).toEqual([]);
  });

  it('offers no command that trains, draws or connects', async () => {
    expect(await editor.input.commands('PaRa: Show Run')).toContain('PaRa: Show Run');
    for (const command of ['Train Subject', 'Generate', 'Add Host', 'Compare LoRA and PaRa'])
      expect(await editor.input.commands(`PaRa: ${command}`)).not.toContain(`PaRa: ${command}`);
  });

  it('trains from the CodeLens only after it is trusted', async () => {
    await editor.text.open('dog.para.json');
    await editor.text.lens('Train');
    const text = 'Nothing is trained or drawn in a workspace that is not trusted';
    await editor.notices.wait(text);
    expect(await editor.views.rows('Hosts')).toEqual([expect.stringMatching(/^this machine .*ready/)]);
    await editor.notices.press(text, 'Manage Workspace Trust');
    await editor.page.getByText('You are in Restricted Mode').waitFor();
  });
});
