import { l10n } from 'vscode';
import { thisMachine } from './this-machine.ts';

/** A host as people call it. @param machine which one this machine is, where the window shows another */
export function hostLabel(name: string, machine = ''): string {
  if (name !== thisMachine) return name;
  return machine ? l10n.t('this machine ({0})', machine) : l10n.t('this machine');
}
