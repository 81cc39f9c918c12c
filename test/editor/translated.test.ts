import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { excused } from '../../remote-agent/test/hosts/sshd.ts';
import type { Editor } from './driver/editor.ts';
import { noEditor } from './driver/requirements.ts';
import { scene } from './driver/scene.ts';
import { language, mark, translate } from './driver/translators.ts';
import { makeWorkspace } from './driver/workspace.ts';

describe.skipIf(excused(noEditor))('an editor in another language', () => {
  const workspace = makeWorkspace('dog', 'dog');
  let editor: Editor;

  writeFileSync(join(workspace.folder, 'broken.safetensors'), 'no adapter at all');
  workspace.write(
    'poor.para.json',
    '{\n  "base": "pocket-sdxl",\n  "pictures": ["dog-1.png"],\n  "trigger": "zwx",\n  "class": "dog"\n}\n',
  );
  scene({ workspace, locale: language, beforeStart: translate }, (started) => {
    editor = started;
  });

  it('has the sidebar, its views and what they say in it', async () => {
    await editor.views.open('PaRa Studio');
    await expect.poll(() => editor.views.titles()).toContain(`${mark}Runs`);
    for (const title of await editor.views.titles()) expect(title).toMatch(new RegExp(`^${mark}`));
    const welcome = await editor.views.welcome(`${mark}Runs`);
    await expect.poll(() => welcome.innerText()).toContain(mark);
  });

  it('says in it what is wrong with a subject file, and what its settings mean', async () => {
    await editor.text.open('poor.para.json');
    await expect.poll(() => editor.text.problems()).toContainEqual(expect.stringContaining(mark));
    await editor.text.place(2, 5);
    const hover = await editor.text.hover();
    await expect.poll(() => hover.innerText()).toMatch(new RegExp(`${mark}.*base`, 'i'));
  });

  it('says in it what the agent found, and what to do about it', async () => {
    await editor.input.run(`PaRa: ${mark}Import Adapter`);
    await editor.input.asked(`${mark}Import Adapter`);
    await editor.input.enter(join(workspace.folder, 'broken.safetensors'));
    const file = join(workspace.folder, 'broken.safetensors');
    expect(await editor.notices.wait('broken.safetensors')).toMatch(
      new RegExp(
        `^${mark}The header claims \\d+ bytes, more than the format allows \\(${file}\\)\\. ${mark}the file is damaged`,
      ),
    );
  });
});
