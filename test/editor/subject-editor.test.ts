import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { excused } from '../../remote-agent/test/hosts/sshd.ts';
import type { Editor } from './driver/editor.ts';
import { pictureShown } from './driver/panels.ts';
import { checkout, noEditor } from './driver/requirements.ts';
import { scene } from './driver/scene.ts';
import { makeWorkspace } from './driver/workspace.ts';

/** Captions in the subject file itself: changing them is changing it. */
const text = `{
  "base": "pocket-sdxl",
  "pictures": [
    { "file": "wide.png", "caption": "a zwx teapot on a table" },
    { "file": "teapot-2.png", "caption": "a zwx teapot in the grass" }
  ],
  "trigger": "zwx",
  "class": "teapot",
  "training": { "resolution": 64, "crop": "center" }
}
`;

describe.skipIf(excused(noEditor))('the subject editor', () => {
  const workspace = makeWorkspace('teapot');
  const elsewhere = join(workspace.folder, '../elsewhere');
  const example = (n: number) => join(checkout, `examples/teapot/teapot-${n}.png`);
  let editor: Editor;

  workspace.write('teapot.para.json', text);
  beforeAll(async () => {
    mkdirSync(elsewhere);
    await sharp(example(1)).resize(240, 120, { fit: 'fill' }).toFile(join(workspace.folder, 'wide.png'));
    await sharp(example(2)).toFile(join(workspace.folder, 'teapot-2.png'));
    await sharp(example(3)).toFile(join(elsewhere, 'chosen.png'));
  });
  scene({ workspace }, async (started) => {
    editor = started;
    await editor.text.open('teapot.para.json');
    await editor.input.run('PaRa: Open in Subject Editor');
    await heading('2 pictures');
  });

  const view = () => editor.webviews.frame();
  const heading = async (name: string) =>
    (await view()).getByRole('heading', { name, exact: true }).waitFor();
  const captions = async () =>
    (await view())
      .locator('.subject-card vscode-text-area textarea')
      .evaluateAll((all: HTMLTextAreaElement[]) => all.map(({ value }) => value));
  const saved = () => readFileSync(join(workspace.folder, 'teapot.para.json'), 'utf8');
  /** Puts the focus beside all fields, where keys mean the document. */
  const leaveFields = async () => (await view()).locator('h1').click();
  /** Gives a picture to the view as a file: dropped onto the gallery, or pasted. */
  const give = async (kind: 'drop' | 'paste', path: string, name: string, type = 'image/png') =>
    (await view()).evaluate(
      ([kind, name, base64, type]) => {
        const bytes = Uint8Array.from(atob(base64), (sign) => sign.charCodeAt(0));
        const data = new DataTransfer();
        data.items.add(new File([bytes], name, { type }));
        const options = { bubbles: true, cancelable: true };
        if (kind === 'paste')
          document.body.dispatchEvent(new ClipboardEvent('paste', { ...options, clipboardData: data }));
        else {
          const gallery = document.querySelector('.subject-gallery')!;
          for (const type of ['dragenter', 'dragover', 'drop'])
            gallery.dispatchEvent(new DragEvent(type, { ...options, dataTransfer: data }));
        }
      },
      [kind, name, readFileSync(path).toString('base64'), type] as const,
    );

  it('outlines what is trained on of each picture, and takes the outlines away', async () => {
    const frame = await view();
    const outlines = frame.locator('.subject-crop');
    await expect.poll(() => outlines.count()).toBe(2);
    const shares = () =>
      outlines.evaluateAll((all: HTMLElement[]) =>
        all.map(({ style }) => [style.left, style.width, style.height]),
      );
    expect(await shares()).toEqual([
      ['25%', '50%', '100%'],
      ['0%', '100%', '100%'],
    ]);
    await editor.settled();
    await editor.screen('subject-editor/crops');
    await frame.getByRole('checkbox', { name: 'Show what is trained on' }).click();
    await expect.poll(() => outlines.count()).toBe(0);
    await frame.getByRole('checkbox', { name: 'Show what is trained on' }).click();
    await expect.poll(() => outlines.count()).toBe(2);
  });

  it('puts words in front of all captions in one edit, which undo takes back', async () => {
    const frame = await view();
    const before = await captions();
    await frame.getByText('Change all captions').click();
    await frame.locator('vscode-text-field[aria-label="Put in front"] input').fill('photo of ');
    await frame.getByRole('button', { name: 'Put in Front' }).click();
    await expect.poll(captions).toEqual(before.map((caption) => `photo of ${caption}`));
    expect(await editor.text.isDirty()).toBe(true);
    await leaveFields();
    await editor.page.keyboard.press('Control+Z');
    await expect.poll(captions).toEqual(before);
    await expect.poll(() => editor.text.isDirty()).toBe(false);
  });

  it('replaces words in all captions that have them, and says in how many', async () => {
    const frame = await view();
    await frame.locator('vscode-text-field[aria-label="Find"] input').fill('on a table');
    await frame.locator('vscode-text-field[aria-label="Replace by"] input').fill('on a stove');
    await frame.getByRole('button', { name: 'Replace in 1 Caption' }).click();
    await expect.poll(captions).toEqual(['a zwx teapot on a stove', 'a zwx teapot in the grass']);
    await leaveFields();
    await editor.text.save();
    expect(saved()).toContain('"caption": "a zwx teapot on a stove"');
  });

  it('adds pictures with the button: those from elsewhere are copied beside the file', async () => {
    await (await view()).getByRole('button', { name: 'Add Pictures' }).click();
    await editor.input.asked('Add Pictures');
    await editor.input.enter(join(elsewhere, 'chosen.png'));
    await heading('3 pictures');
    expect(existsSync(join(workspace.folder, 'chosen.png'))).toBe(true);
    await leaveFields();
    await editor.text.save();
    expect(saved()).toContain('"chosen.png"');
  });

  it('takes pictures that are dropped, and one that is pasted', async () => {
    await give('drop', example(4), 'dropped.png');
    await heading('4 pictures');
    expect(existsSync(join(workspace.folder, 'dropped.png'))).toBe(true);
    await give('paste', example(5), 'image.png');
    await heading('5 pictures');
    expect(existsSync(join(workspace.folder, 'picture.png'))).toBe(true);
    const frame = await view();
    const images = frame.locator('.subject-card img');
    await images.last().scrollIntoViewIfNeeded();
    await pictureShown(images.last());
    await editor.input.run('View: Toggle Primary Side Bar Visibility');
    await frame.locator('h1').scrollIntoViewIfNeeded();
    await editor.settled();
    await editor.screen('subject-editor/added', 900);
    await editor.input.run('View: Toggle Primary Side Bar Visibility');
  });

  it('removes a picture from the subject, not from the disk, and undo has it back', async () => {
    const frame = await view();
    const card = frame.locator('.subject-card', { hasText: 'dropped.png' });
    await card.hover();
    await card.getByRole('button', { name: 'Remove dropped.png' }).click();
    await heading('4 pictures');
    expect(existsSync(join(workspace.folder, 'dropped.png'))).toBe(true);
    await leaveFields();
    await editor.page.keyboard.press('Control+Z');
    await heading('5 pictures');
  });

  it('says that something else than a picture cannot be added', async () => {
    await give('drop', example(4), 'dropped.gif', 'image/gif');
    await (await view()).getByText('Only PNG, JPEG and WebP pictures can be added.').waitFor();
    await heading('5 pictures');
  });
});
