import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { wordsOf } from '../../remote-agent/test/hosts/processes.ts';
import { excused } from '../../remote-agent/test/hosts/sshd.ts';
import type { Editor } from './driver/editor.ts';
import { checkout, noEditor } from './driver/requirements.ts';
import { scene } from './driver/scene.ts';
import { makeWorkspace } from './driver/workspace.ts';

/** Names of the tensors of a safetensors file. */
function tensorsOf(file: string): string[] {
  return namesIn(headerOf(readFileSync(file)).header);
}

/** The header of a safetensors file, and where its data begin. */
function headerOf(bytes: Buffer): { header: Record<string, object>; start: number } {
  const start = 8 + Number(bytes.readBigUInt64LE());
  return { header: JSON.parse(bytes.subarray(8, start).toString('utf8')), start };
}

const namesIn = (header: object) => Object.keys(header).filter((key) => key !== '__metadata__');

/** Writes the adapter `from` to `to` with a layer of many gigabytes more, of which the disk holds next to nothing. */
function makeLarge(from: string, to: string): void {
  const bytes = readFileSync(from);
  const { header, start } = headerOf(bytes);
  const end = bytes.length - start;
  const [key] = namesIn(header);
  const values = 3_000_000_000;
  header[`${key}.more`] = { dtype: 'F32', shape: [values], data_offsets: [end, end + 4 * values] };
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  writeFileSync(to, Buffer.concat([length, text, bytes.subarray(start)]));
  truncateSync(to, 8 + text.length + end + 4 * values);
}

/** The agents that an editor with this home has started for its own machine, one a window that was open. */
function agentsOf(home: string): number[] {
  const isOurs = (pid: number) => {
    try {
      return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').includes(`HOME=${home}`);
    } catch {
      return false; // it ended meanwhile
    }
  };
  const found = readdirSync('/proc')
    .map(Number)
    .filter((pid) => isOurs(pid) && wordsOf(pid).some((word) => /remote-agent\/.*\.js$/.test(word)));
  expect(found).not.toEqual([]);
  return found;
}

describe.skipIf(excused(noEditor))('adapters in the editor', () => {
  const workspace = makeWorkspace('dog', 'dog');
  const loras = join(workspace.folder, '..', 'loras');
  let editor: Editor;

  const subject = {
    ...{ base: 'pocket-sdxl', pictures: ['*.png'], trigger: 'zwx', class: 'dog' },
    ...{ training: { steps: 10 }, samples: { prompts: [] } },
  };
  workspace.write('dog.para.json', JSON.stringify(subject));
  mkdirSync(loras);
  scene({ workspace }, async (started) => {
    editor = started;
    await editor.views.open('PaRa Studio');
  });

  it('lists what a run has made', async () => {
    await editor.views.action('Subjects', 'dog', 'Train Subject');
    const made = /^dog \| PaRa \u00b7 pocket-sdxl \u00b7 10 steps \u00b7 [\d.]+ KB$/;
    await expect
      .poll(() => editor.views.rows('Adapters'), { timeout: 120_000 })
      .toEqual([expect.stringMatching(made)]);
  });

  it('exports to a file that ComfyUI and A1111 read, where the save dialog says', async () => {
    await editor.views.action('Adapters', 'dog', 'Export Adapter');
    await editor.input.asked('Export dog for which tool?');
    await editor.screen('adapters/export');
    await editor.input.pick('ComfyUI, A1111, Forge');
    await editor.input.asked('Export Adapter');
    const file = join(workspace.folder, 'mine.safetensors');
    await editor.input.enter(file);
    await editor.notices.wait(`Wrote ${file}. It is exact on the base pocket-sdxl only.`, 60_000);
    const tensors = tensorsOf(file);
    expect(tensors).toEqual(
      tensors.filter((name) => /^lora_unet_.*\.(lora_(up|down)\.weight|alpha)$/.test(name)),
    );
    expect(tensors.length).toBeGreaterThan(100);
  });

  it('exports straight into the folder of the setting', async () => {
    editor.server.set({ 'para.exportFolder': loras });
    await editor.reload();
    await editor.views.open('PaRa Studio');
    await editor.input.run('PaRa: Export Adapter');
    await editor.input.asked('Export dog for which tool?');
    await editor.input.pick('ComfyUI, A1111, Forge');
    const file = join(loras, 'dog-para.safetensors');
    await editor.notices.wait(`Wrote ${file}.`, 60_000);
    expect(tensorsOf(file)).toEqual(tensorsOf(join(workspace.folder, 'mine.safetensors')));
  });

  it('writes nothing after an export or an import is cancelled', async () => {
    const file = join(workspace.folder, 'cancelled.safetensors');
    const agents = agentsOf(editor.server.home);
    await editor.input.run('PaRa: Export Adapter');
    await editor.input.pick('diffusers');
    await editor.input.asked('Export Adapter');
    for (const agent of agents) process.kill(agent, 'SIGSTOP'); // as slow as can be
    try {
      await editor.input.enter(file);
      await editor.notices.press('Export dog', 'Cancel');
      cpSync(join(workspace.folder, 'mine.safetensors'), join(workspace.folder, 'other.safetensors'));
      await editor.input.run('PaRa: Import Adapter');
      await editor.input.asked('Import Adapter');
      await editor.input.enter(join(workspace.folder, 'other.safetensors'));
      await editor.notices.press('Import adapters', 'Cancel');
    } finally {
      for (const agent of agents) process.kill(agent, 'SIGCONT');
    }
    // What is asked of the agent later is answered later.
    await editor.input.run('PaRa: Export Adapter');
    await editor.input.asked('Export dog for which tool?');
    expect((await editor.input.labels())[0]).toBe('diffusers'); // as it was chosen last
    await editor.input.pick('diffusers');
    await editor.input.asked('Export Adapter');
    const next = join(workspace.folder, 'next.safetensors');
    await editor.input.enter(next);
    await editor.notices.wait(`Wrote ${next}.`, 60_000);
    expect(existsSync(file)).toBe(false);
    expect(await editor.views.rows('Adapters')).not.toContainEqual(expect.stringMatching(/^other/));
  });

  it('imports a file into the library, where prompts find it', async () => {
    await editor.input.run('PaRa: Import Adapter');
    await editor.input.asked('Import Adapter');
    await editor.input.enter(join(workspace.folder, 'mine.safetensors'));
    await expect
      .poll(() => editor.views.rows('Adapters'), { timeout: 60_000 })
      .toContainEqual(expect.stringMatching(/^mine \| LoRA/));
    workspace.write('mine.prompts', 'a zwx dog <lora:mi\n');
    await editor.text.open('mine.prompts');
    await editor.text.place(1, 19);
    expect(await editor.text.complete()).toContainEqual(expect.stringContaining('mine'));
  });

  it('is dragged into a prompt, which names it then', async () => {
    await editor.text.place(1, 1);
    await editor.page.keyboard.press('Control+A');
    await editor.text.type('a zwx dog');
    await editor.views.drag('Adapters', 'mine', await editor.text.caret());
    await expect
      .poll(() => editor.text.lines())
      .toContainEqual(expect.stringMatching(/^a zwx dog ?<lora:mine:1>/));
  });

  it('deletes an imported file, and has it back with Undo', async () => {
    const mine = expect.stringMatching(/^mine \|/);
    await editor.views.menu('Adapters', 'mine', 'Delete Adapter File');
    await expect.poll(() => editor.views.rows('Adapters')).not.toContainEqual(mine);
    await editor.notices.press('Deleted the adapter mine.', 'Undo');
    await expect.poll(() => editor.views.rows('Adapters')).toContainEqual(mine);
  });

  it('says that it reads large adapters, and opens nothing when that is cancelled', async () => {
    const library = join(editor.server.home, '.local/share/para-studio/adapters');
    makeLarge(join(workspace.folder, 'mine.safetensors'), join(library, 'large.safetensors'));
    await expect.poll(() => editor.views.rows('Adapters')).toContainEqual(expect.stringMatching(/^large \|/));
    await editor.views.action('Adapters', 'large', 'Compare Strengths');
    await editor.notices.press('Reading the adapters to compare', 'Cancel');
    await expect.poll(() => editor.notices.all()).not.toContainEqual(expect.stringContaining('Reading'));
    rmSync(join(library, 'large.safetensors'));
    await expect(editor.text.tab('Compare').waitFor({ timeout: 10_000 })).rejects.toThrow('Timeout');
  });

  it('imports a base model, and asks with the last source first when there is another', async () => {
    const source = 'A folder on this machine';
    await editor.input.run('PaRa: Import Base Model');
    await editor.input.asked('Import Base Model: from where?');
    await editor.input.pick(source);
    await editor.input.asked('Folder of a base: ONNX or diffusers');
    await editor.input.enter(join(checkout, 'remote-agent/test/golden/bases/tiny-optimum'));
    await editor.input.asked('Import Base Model: its name');
    await editor.input.enter('tiny');
    await editor.notices.wait(/^The base tiny is ready/, 60_000);
    const bases = join(editor.server.home, '.local/share/para-studio/bases');
    expect(existsSync(join(bases, 'tiny/model_index.json'))).toBe(true);
    await editor.input.run('PaRa: Import Base Model');
    await editor.input.asked('Import Base Model: from where?');
    expect((await editor.input.labels())[0]).toBe(source);
    await editor.input.cancel();
  });
});
