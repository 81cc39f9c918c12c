import { deepStrictEqual, ok } from 'node:assert/strict';
import { commands, extensions } from 'vscode';
import { commandIds } from '../../../src/platform/commands.ts';
import type { Tests } from './index.ts';

interface Manifest {
  readonly contributes: {
    readonly commands: readonly { readonly command: string }[];
    readonly views: Readonly<Record<string, readonly { readonly id: string }[]>>;
  };
}

const extension = () => {
  const found = extensions.getExtension<unknown>('para-studio.para-studio');
  ok(found, 'the extension is not installed');
  return found;
};
const contributes = () => (extension().packageJSON as Manifest).contributes;

/** Commands that the editor makes for each view by itself ("Focus on Runs View"). */
const isOfView = (id: string) =>
  Object.values(contributes().views)
    .flat()
    .some((view) => id.startsWith(`${view.id}.`));

export const tests: Tests = {
  'the extension activates': async () => {
    await extension().activate();
    ok(extension().isActive);
  },

  'the commands of the manifest are those that can be run': async () => {
    const named = contributes()
      .commands.map(({ command }) => command)
      .sort();
    const registered = (await commands.getCommands(true))
      .filter((id) => id.startsWith('para.') && !isOfView(id))
      .sort();
    deepStrictEqual(named, registered);
  },

  'the commands of the manifest are those that the code knows': async () => {
    const named = contributes().commands.map(({ command }) => command);
    deepStrictEqual(named.sort(), [...commandIds].sort());
  },
};
