import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { encodeSafetensors } from '../../remote-agent/src/adapters/safetensors.ts';
import { excused } from '../../remote-agent/test/hosts/sshd.ts';
import type { Editor } from './driver/editor.ts';
import { noEditor } from './driver/requirements.ts';
import { scene } from './driver/scene.ts';
import { makeWorkspace } from './driver/workspace.ts';

/** An adapter file as far as a library looks: what it says of itself, and one number. */
const adapterFile = (metadata: Record<string, string>) =>
  encodeSafetensors(new Map([['lora_unet_x', { dims: [1], data: Float32Array.of(0) }]]), metadata);

describe.skipIf(excused(noEditor))('prompt files', () => {
  const workspace = makeWorkspace('dog', 'dog');
  let editor: Editor;

  workspace.write('mine.prompts', '# What I like\na zwx dog on the beach --d 3 --s 4\na zwx dog <lora:mi\n');
  scene({ workspace }, async (started) => {
    editor = started;
    const adapters = join(editor.server.home, '.local/share/para-studio/adapters');
    mkdirSync(adapters, { recursive: true });
    writeFileSync(join(adapters, 'mine.safetensors'), adapterFile({ ss_sd_model_name: 'pocket-sdxl' }));
    await editor.text.open('mine.prompts');
  });

  const line = async (start: string) => (await editor.text.lines()).find((one) => one.startsWith(start));

  it('are coloured: comments, prompts, numbers', async () => {
    const colours = () => Promise.all(['What I like', 'beach', '4'].map((word) => editor.text.colour(word)));
    await expect.poll(async () => new Set(await colours()).size).toBe(3);
  });

  it('say behind each prompt how many tokens it has, as it is typed', async () => {
    const tokens = async () => Number(/beach\s*(\d+) tokens/.exec((await line('a zwx dog')) ?? '')?.[1]);
    await expect.poll(tokens).toBeGreaterThan(4);
    const before = await tokens();
    await editor.text.place(2, 'a zwx dog'.length + 1);
    await editor.text.type(' and a cat');
    await expect.poll(tokens).toBeGreaterThanOrEqual(before + 3);
  });

  it('complete adapters of the library', async () => {
    await editor.text.place(3, 'a zwx dog <lora:mi'.length + 1);
    expect(await editor.text.complete()).toContainEqual(expect.stringContaining('mine'));
    await editor.screen('prompts/completion');
    await editor.page.keyboard.press('Enter');
    await editor.page.keyboard.press('Escape');
    await expect.poll(() => line('a zwx dog <')).toContain('<lora:mine:0.8>');
    await expect.poll(() => editor.text.colour('mine')).not.toBe(await editor.text.colour('beach'));
  });

  it('underline an adapter that nobody knows', async () => {
    await editor.text.save();
    expect(await editor.text.problems()).toEqual([]);
    await editor.text.place(3, 'a zwx dog <lora:mine'.length + 1);
    await editor.text.type('d');
    await expect.poll(() => editor.text.problems()).toContainEqual(expect.stringContaining('mined'));
    await editor.screen('prompts/unknown');
    await editor.page.keyboard.press('Control+Z');
    await editor.text.save();
  });

  it('draw the line under the cursor', async () => {
    await editor.text.place(2, 5);
    await editor.page.keyboard.press('Control+Enter');
    await editor.text.tab(/^Generate: /).waitFor();
    const frame = await editor.webviews.frame();
    const drawn = frame.locator('.compare-cell[data-state="done"] img');
    await expect.poll(() => drawn.count(), { timeout: 120_000 }).toBe(1);
    await frame
      .getByRole('img', { name: /a zwx dog and a cat on the beach/ })
      .first()
      .waitFor();
    await editor.settled();
    await editor.screen('prompts/drawn');
  });
});
