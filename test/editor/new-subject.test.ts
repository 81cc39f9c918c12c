import { cpSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parse } from 'jsonc-parser';
import { describe, expect, it } from 'vitest';
import { excused } from '../../remote-agent/test/hosts/sshd.ts';
import type { Editor } from './driver/editor.ts';
import { checkout, noEditor } from './driver/requirements.ts';
import { scene } from './driver/scene.ts';
import { makeWorkspace } from './driver/workspace.ts';

describe.skipIf(excused(noEditor))('a subject of pictures of one\u2019s own', () => {
  const workspace = makeWorkspace('pictures');
  let editor: Editor;

  for (const name of ['teapot', 'robot', 'owl'])
    cpSync(join(checkout, 'examples', name), join(workspace.folder, name), {
      recursive: true,
      filter: (path) => basename(path) === name || /-\d\.png$/.test(path),
    });
  // Else the explorer may select the picture that was opened, and it alone, when others are selected by then.
  workspace.write('.vscode/settings.json', JSON.stringify({ 'explorer.autoReveal': false }));
  scene({ workspace }, (started) => {
    editor = started;
  });

  const subject = (path: string) =>
    parse(readFileSync(join(workspace.folder, path), 'utf8')) as Record<string, unknown>;
  /** Shows the subject file in front as text, and has it say how long is trained. */
  const shorten = async () => {
    await (await editor.webviews.frame()).getByRole('button', { name: 'Open as Text' }).click();
    await expect.poll(() => editor.text.lines()).toContainEqual(expect.stringContaining('"trigger"'));
    await editor.page.keyboard.press('Control+Home');
    await editor.page.keyboard.press('End');
    await editor.page.keyboard.insertText('\n  "training": { "steps": 10 },');
    await editor.text.save();
  };

  it('is made of a folder in the explorer, and can be trained as it is', async () => {
    await editor.views.open('Explorer');
    await editor.views.menu('pictures', 'teapot', 'New Subject from Images');
    await editor.input.asked('What do the pictures show?');
    await editor.input.accept();
    await editor.text.tab('teapot.para.json').waitFor();
    const frame = await editor.webviews.frame();
    await frame.getByRole('heading', { name: /^\d pictures$/ }).waitFor();
    expect(subject('teapot/teapot.para.json')).toMatchObject({ class: 'teapot', base: 'pocket-sdxl' });
    await shorten();
    expect(await editor.text.problems()).toEqual([]);
    await editor.input.run('PaRa: Train Subject');
    await editor.text.tab('teapot \u00b7 PaRa').waitFor({ timeout: 120_000 });
    await (await editor.webviews.frame())
      .locator('.run-state', { hasText: 'finished' })
      .waitFor({ timeout: 120_000 });
    await editor.input.run('View: Close All Editors');
  });

  it('is made of the pictures that are selected in the explorer, and of no others', async () => {
    await editor.views.open('Explorer');
    await editor.views.click('pictures', 'owl');
    await editor.views.click('pictures', 'owl-1.png');
    await editor.text.tab('owl-1.png').waitFor();
    const selected = editor.page.locator('.explorer-folders-view .monaco-list-row.selected .label-name');
    await expect.poll(() => selected.allInnerTexts()).toEqual(['owl-1.png']);
    await (await editor.views.row('pictures', 'owl-3.png')).click({ modifiers: ['Control'] });
    await expect.poll(() => selected.allInnerTexts()).toEqual(['owl-1.png', 'owl-3.png']);
    await editor.views.menu('pictures', 'owl-3.png', 'New Subject from Images');
    await editor.input.asked('What do the pictures show?');
    await editor.input.enter('owl');
    await editor.text.tab('owl.para.json').waitFor();
    await (await editor.webviews.frame()).getByRole('heading', { name: '2 pictures' }).waitFor();
    expect(subject('owl/owl.para.json')).toMatchObject({ pictures: ['owl-1.png', 'owl-3.png'] });
  });

  it('is made from the palette of pictures that are chosen there, and is in order', async () => {
    await editor.input.run('PaRa: New Subject from Images');
    await editor.input.asked('New Subject from Images');
    await editor.input.enter(join(workspace.folder, 'robot', 'robot-1.png'));
    await editor.input.asked('What do the pictures show?');
    await editor.input.fill('robot');
    await editor.input.accept();
    await editor.text.tab('robot.para.json').waitFor();
    await (await editor.webviews.frame()).getByRole('heading', { name: '1 picture' }).waitFor();
    await editor.settled();
    await editor.screen('new-subject/palette');
    expect(subject('robot/robot.para.json')).toMatchObject({ class: 'robot', pictures: ['robot-1.png'] });
    await editor.views.open('PaRa Studio');
    await expect.poll(() => editor.views.rows('Subjects')).toEqual(['owl', 'robot', 'teapot | 1 run']);
  });
});
