import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { excused } from '../../remote-agent/test/hosts/sshd.ts';
import type { Editor } from './driver/editor.ts';
import { pictureShown } from './driver/panels.ts';
import { checkout, noEditor } from './driver/requirements.ts';
import { scene } from './driver/scene.ts';
import { makeWorkspace } from './driver/workspace.ts';

/** A subject file that names its pictures, one of them wrongly. */
const text = `{
  "base": "pocket-sdxl",
  "pictures": [
    "owl-1.png", "owl-2.png", "owl-3.png", "owl-4.png",
    "owl-55.png"
  ],
  "trigger": "zwx",
  "class": "owl",
  "training": { "steps": 20 },
  "samples": { "prompts": [] }
}
`;

describe.skipIf(excused(noEditor))('subjects in the editor', () => {
  const workspace = makeWorkspace('pictures');
  const owls = join(workspace.folder, 'owl');
  let editor: Editor;

  cpSync(join(checkout, 'examples/owl'), owls, {
    recursive: true,
    filter: (path) => basename(path) === 'owl' || /owl-\d\.png$/.test(path),
  });
  scene({ workspace }, (started) => {
    editor = started;
  });

  it('makes a subject file of a folder of pictures, and shows it with them', async () => {
    await editor.views.open('Explorer');
    await editor.views.menu('pictures', 'owl', 'New Subject from Images');
    await editor.input.asked('What do the pictures show?');
    await editor.input.enter('owl');
    await editor.text.tab('owl.para.json').waitFor();
    const frame = await editor.webviews.frame();
    await frame.getByRole('heading', { name: '6 pictures' }).waitFor();
    await expect.poll(() => frame.locator('.subject-card img').count()).toBe(6);
    expect(readFileSync(join(owls, 'owl.para.json'), 'utf8')).toContain('"class": "owl"');
    await editor.settled();
    await editor.screen('subjects/editor');
    expect(await editor.webviews.violations(frame)).toEqual([]);
  });

  it('offers itself no second time', async () => {
    const action = '.editor-actions a.action-label[aria-label^="Open in Subject Editor"]';
    expect(await editor.page.locator(action).count()).toBe(0);
    const command = 'PaRa: Open in Subject Editor';
    expect(await editor.input.commands(command)).not.toContain(command);
  });

  it('writes a caption under a picture as an edit that can be undone', async () => {
    const frame = await editor.webviews.frame();
    const caption = frame.locator('vscode-text-area[aria-label="Caption of owl-2.png"] textarea');
    await caption.fill('a zwx owl on a branch');
    await caption.press('Tab');
    const file = join(owls, 'owl-2.txt');
    const written = () => existsSync(file) && readFileSync(file, 'utf8');
    await expect.poll(written).toBe('a zwx owl on a branch\n');
    // What the view is told meanwhile is not to come between.
    await frame.locator('.subject-card', { hasText: 'in owl-2.txt' }).waitFor();
    await editor.settled();
    await caption.fill('a zwx owl in the snow');
    await caption.press('Tab');
    await expect.poll(written).toBe('a zwx owl in the snow\n');
    await editor.text.open('owl/owl-2.txt');
    await editor.page.keyboard.press('Control+Z');
    await expect.poll(() => editor.text.lines()).toContain('a zwx owl on a branch');
    await editor.page.keyboard.press('Control+Z');
    await expect.poll(() => editor.text.lines()).toEqual(['']);
    await editor.page.keyboard.press('Control+Y');
    await expect.poll(() => editor.text.lines()).toContain('a zwx owl on a branch');
    expect(await editor.text.isDirty()).toBe(true);
    await editor.text.save();
    await expect.poll(written).toBe('a zwx owl on a branch\n');
    await editor.input.run('View: Close Editor');
    await expect
      .poll(async () =>
        (await editor.webviews.frame())
          .locator('vscode-text-area[aria-label="Caption of owl-2.png"] textarea')
          .inputValue(),
      )
      .toBe('a zwx owl on a branch');
  });

  it('keeps what is being typed while the view is told of a change elsewhere', async () => {
    const frame = await editor.webviews.frame();
    const field = (name: string) =>
      frame.locator(`vscode-text-area[aria-label="Caption of ${name}"] textarea`);
    await field('owl-3.png').fill('a zwx owl, not yet');
    writeFileSync(join(owls, 'owl-4.txt'), 'written elsewhere\n');
    await expect.poll(() => field('owl-4.png').inputValue()).toBe('written elsewhere');
    expect(await field('owl-3.png').inputValue()).toBe('a zwx owl, not yet');
    await field('owl-3.png').press('End');
    await editor.page.keyboard.type(' but now');
    await field('owl-3.png').press('Tab');
    await expect
      .poll(() => existsSync(join(owls, 'owl-3.txt')) && readFileSync(join(owls, 'owl-3.txt'), 'utf8'))
      .toBe('a zwx owl, not yet but now\n');
  });

  it.each([
    ['light', 'Light Modern'],
    ['high-contrast', 'Dark High Contrast'],
    ['high-contrast-light', 'Light High Contrast'],
    ['dark', 'Dark Modern'],
  ])('keeps nobody out in %s colours', async (name, theme) => {
    await editor.theme(theme);
    expect(await editor.webviews.violations(await editor.webviews.frame())).toEqual([]);
    if (name === 'light' || name === 'high-contrast') await editor.screen(`themes/subject-${name}`);
  });

  it('shows pictures of a folder that is named only now', async () => {
    cpSync(join(owls, 'owl-1.png'), join(workspace.folder, 'more', 'other.png'));
    const file = join(owls, 'owl.para.json');
    const before = readFileSync(file, 'utf8');
    writeFileSync(file, before.replace('"pictures": [', '"pictures": ["../more/*.png", '));
    const other = async () =>
      (await editor.webviews.frame()).locator('.subject-card', { hasText: 'other.png' }).locator('img');
    await expect
      .poll(async () => (await other()).evaluate((img: HTMLImageElement) => img.naturalWidth))
      .toBeGreaterThan(0);
    writeFileSync(file, before);
    await expect.poll(async () => (await other()).count()).toBe(0);
  });

  it('changes a setting in the form, and the text follows; undo takes it back', async () => {
    const trigger = async () =>
      (await editor.webviews.frame()).locator('vscode-text-field[aria-label="Trigger"] input');
    const field = await trigger();
    const before = await field.inputValue();
    await field.fill('qwv');
    await field.press('Tab');
    await expect.poll(() => editor.text.isDirty()).toBe(true);
    await (await editor.webviews.frame()).getByRole('button', { name: 'Open as Text' }).click();
    await expect.poll(() => editor.text.lines()).toContainEqual(expect.stringContaining('"trigger": "qwv"'));
    await editor.input.run('View: Move Editor into Next Group');
    await (await trigger()).waitFor();
    await editor.settled();
    await editor.screen('subjects/beside');
    await editor.page.keyboard.press('Control+Z');
    await expect.poll(() => editor.text.isDirty()).toBe(false);
    await expect.poll(async () => (await trigger()).inputValue()).toBe(before);
    await editor.input.run('View: Close All Editors');
  });

  it('colours what a subject file says: names of settings, texts, numbers', async () => {
    writeFileSync(join(owls, 'owl.para.json'), text);
    await editor.text.open('owl/owl.para.json');
    await editor.input.run('View: Reopen Editor With...');
    await editor.input.pick(/^Text Editor/);
    const colours = () => Promise.all(['trigger', 'zwx', '20'].map((word) => editor.text.colour(word)));
    await expect.poll(async () => new Set(await colours()).size).toBe(3);
  });

  it('completes what a subject file may say', async () => {
    await editor.text.place(9, 28);
    await editor.text.type(', ');
    expect(await editor.text.complete()).toEqual(expect.arrayContaining(['batch', 'learningRate', 'memory']));
    await editor.screen('subjects/completion');
    await editor.text.choose('batch');
    await editor.page.keyboard.press('Escape');
    await expect
      .poll(() => editor.text.lines())
      .toContainEqual(expect.stringContaining('"steps": 20, "batch": 1 }'));
  });

  it('underlines a picture that is not there, and mends it', async () => {
    const missing = expect.stringContaining('There is no "owl-55.png" beside this file.');
    await expect.poll(() => editor.text.problems(), { timeout: 30_000 }).toContainEqual(missing);
    await editor.text.place(5, 8);
    expect(await editor.text.fixes()).toEqual(
      expect.arrayContaining(['Use "owl-5.png"', 'Remove "owl-55.png"']),
    );
    await editor.screen('subjects/quick-fix');
    await editor.page.keyboard.press('Enter'); // the preferred one is the first
    await expect.poll(() => editor.text.lines()).toContain('    "owl-5.png"');
    await expect.poll(() => editor.text.problems(), { timeout: 30_000 }).not.toContainEqual(missing);
    await editor.text.save();
  });

  it('shows a picture where its name is', async () => {
    await editor.text.place(5, 8);
    const picture = (await editor.text.hover()).locator('img');
    await pictureShown(picture.first());
    await editor.text.hover(); // asked for again, it takes the focus and stays
    await editor.screen('subjects/hover');
    await editor.page.keyboard.press('Escape');
  });

  it('trains from the line above the file, and asks nothing', async () => {
    await expect
      .poll(() => editor.text.lenses())
      .toEqual(['Train', 'Continue', 'Show Runs', 'Compare', 'Pictures']);
    await editor.text.lens('Train');
    await editor.text.tab('owl \u00b7 PaRa').waitFor();
    await editor.views.open('PaRa Studio');
    await expect
      .poll(() => editor.views.rows('Runs'), { timeout: 120_000 })
      .toContainEqual(expect.stringMatching(/^PaRa .*\| 20 steps/));
    expect(await editor.views.rows('Subjects')).toEqual(['owl | 1 run']);
  });

  it('shows the runs of the subject from the line above the file', async () => {
    await editor.text.open('owl/owl.para.json');
    await editor.input.run('View: Reopen Editor With...');
    await editor.input.pick(/^Text Editor/);
    await editor.text.lens('Show Runs');
    await expect.poll(() => editor.views.rows('Runs')).toHaveLength(2);
    await editor.page.locator('.sidebar .pane-header', { hasText: 'subject:"owl"' }).waitFor();
  });
});
