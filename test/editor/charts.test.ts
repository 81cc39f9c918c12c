import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { excused } from '../../remote-agent/test/hosts/sshd.ts';
import type { Editor } from './driver/editor.ts';
import { saveAs } from './driver/panels.ts';
import { noEditor } from './driver/requirements.ts';
import { scene } from './driver/scene.ts';
import { makeWorkspace } from './driver/workspace.ts';

const subject = (steps: number) =>
  JSON.stringify({
    ...{ base: 'pocket-sdxl', pictures: ['dog-1.png'], trigger: 'zwx', class: 'dog' },
    ...{ training: { steps }, samples: { prompts: [] } },
  });

describe.skipIf(excused(noEditor))('losses of several runs', () => {
  const workspace = makeWorkspace('dog', 'dog');
  let editor: Editor;

  workspace.write('dog.para.json', subject(20));
  workspace.write('puppy.para.json', subject(30));
  scene({ workspace }, async (started) => {
    editor = started;
    await editor.views.open('PaRa Studio');
  });

  const panel = () => editor.webviews.frame();
  const drawn = async () =>
    (await panel()).locator('canvas').evaluate((canvas: HTMLCanvasElement) => canvas.toDataURL());
  /** Presses a button of the chart, and says where what it saves is to lie. */
  const save = async (button: string, name: string) => {
    const file = join(workspace.folder, name);
    const frame = await panel();
    await saveAs(editor, () => frame.getByRole('button', { name: button }).click(), file);
    return file;
  };

  it('lie over each other in one chart', async () => {
    for (const name of ['dog', 'puppy']) {
      await editor.views.action('Subjects', name, 'Train Subject');
      await editor.text.tab(`${name} \u00b7 PaRa`).waitFor();
      const state = (await panel()).locator('.run-state', { hasText: 'finished' });
      await state.waitFor({ timeout: 120_000 });
    }
    const frame = await panel();
    const before = await drawn();
    await frame.locator('vscode-dropdown[aria-label="Lay another run over this one"]').click();
    await frame.getByRole('option', { name: /dog/ }).click();
    await frame.locator('.run-overlay', { hasText: 'dog' }).waitFor();
    await expect.poll(drawn).not.toBe(before);
    await editor.settled();
    await editor.screen('charts/overlaid');
  });

  it('are saved as a table of all of them', async () => {
    const [head, ...rows] = readFileSync(await save('Save as CSV', 'losses.csv'), 'utf8')
      .trim()
      .split('\n');
    expect(head).toMatch(/step/i);
    expect(rows.filter((row) => /dog/.test(row))).toHaveLength(20);
    expect(rows.filter((row) => /puppy/.test(row))).toHaveLength(30);
  });

  it('are saved as a picture', async () => {
    const { format, width } = await sharp(await save('Save as PNG', 'losses.png')).metadata();
    expect(format).toBe('png');
    expect(width).toBeGreaterThan(300);
  });

  it('part again, and are still there when the window is loaded again', async () => {
    await editor.reloadByCommand();
    await editor.text.tab('puppy \u00b7 PaRa').waitFor();
    const overlay = (await panel()).locator('.run-overlay', { hasText: 'dog' });
    await overlay.waitFor();
    await overlay.getByRole('button', { name: /^Take .* away$/ }).click();
    await overlay.waitFor({ state: 'hidden' });
  });
});
