import { deepStrictEqual } from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { commands, Uri, window } from 'vscode';
import { subjectInFront } from '../../../src/subject/in-front.ts';
import { subjectEditorType } from '../../../src/subject/language.ts';
import type { Tests } from './index.ts';
import { until } from './until.ts';

export const tests: Tests = {
  'the subject in front is known as text and in the editor with its pictures': async () => {
    const folder = mkdtempSync(join(tmpdir(), 'para-front-'));
    try {
      const file = Uri.file(join(folder, 'cat.para.json'));
      const other = Uri.file(join(folder, 'notes.txt'));
      writeFileSync(file.fsPath, '{ "class": "cat", "pictures": [] }');
      writeFileSync(other.fsPath, 'a note');
      await window.showTextDocument(file);
      deepStrictEqual(subjectInFront()?.path, file.path);
      await commands.executeCommand('vscode.openWith', file, subjectEditorType);
      await until(() => window.activeTextEditor === undefined);
      deepStrictEqual(subjectInFront()?.path, file.path);
      await window.showTextDocument(other);
      await until(() => subjectInFront() === undefined);
    } finally {
      await commands.executeCommand('workbench.action.closeAllEditors');
      rmSync(folder, { recursive: true });
    }
  },
};
