import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { excused } from '../../remote-agent/test/hosts/sshd.ts';
import { Editor } from './driver/editor.ts';
import { pictureOfFailure } from './driver/failures.ts';
import { noEditor } from './driver/requirements.ts';

// The driver is held against the editor's own features: what it says of ours is believed only then.
describe.skipIf(excused(noEditor))('the driver of the editor', () => {
  let workspace: string;
  let editor: Editor;

  beforeAll(async () => {
    workspace = mkdtempSync(join(tmpdir(), 'para-workspace-'));
    mkdirSync(join(workspace, 'sub'));
    writeFileSync(join(workspace, 'sub/box.json'), '{\n  "size": {\n    \n  }\n}\n');
    const width = { type: 'number', description: 'From left to right.' };
    const size = { type: 'object', properties: { width } };
    const schemas = [{ fileMatch: ['box.json'], schema: { properties: { size } } }];
    mkdirSync(join(workspace, '.vscode'));
    writeFileSync(join(workspace, '.vscode/settings.json'), JSON.stringify({ 'json.schemas': schemas }));
    writeFileSync(join(workspace, 'page.md'), '# A heading\nSome words.\n');
    editor = await Editor.start({ workspace });
  });
  afterAll(async () => {
    await editor?.stop();
    rmSync(workspace, { recursive: true });
  });

  afterEach((context) => pictureOfFailure(context, editor));

  it('opens a file, completes, hovers and saves', async () => {
    await editor.text.open('sub/box.json');
    await editor.text.place(3, 5);
    expect(await editor.text.complete()).toEqual(['width']);
    await editor.text.choose('width');
    expect(await editor.text.lines()).toContain('    "width": 0');
    expect(await editor.text.isDirty()).toBe(true);
    await editor.text.save();
    expect(readFileSync(join(workspace, 'sub/box.json'), 'utf8')).toContain('"width": 0');
    await editor.text.place(3, 8);
    expect(await (await editor.text.hover()).innerText()).toBe('From left to right.');
    await editor.screen('driver/hover');
  });

  it('sees problems', async () => {
    await editor.text.open('sub/box.json');
    await editor.text.replaceAll('{ "size": 5 }');
    await expect
      .poll(() => editor.text.problems(), { timeout: 30_000 })
      .toContainEqual(expect.stringContaining('Incorrect type'));
    await editor.text.save();
  });

  it('reads trees and uses their menus', async () => {
    await editor.views.open('Explorer');
    const view = workspace.split('/').at(-1)!;
    await expect.poll(() => editor.views.rows(view)).toEqual(['.vscode', 'sub', 'box.json', 'page.md']);
    await editor.views.menu(view, 'page.md', 'Open Preview');
    const frame = await editor.webviews.frame();
    expect(await frame.locator('h1').innerText()).toBe('A heading');
    const violations = await editor.webviews.violations(frame);
    expect(violations.map(({ rule }) => rule)).toContain('document-title'); // the preview has none
    await editor.screen('driver/webview');
  });
});
