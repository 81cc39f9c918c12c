import { commands, l10n, type Uri, window } from 'vscode';
import type { CommandId } from './commands.ts';

/**
 * Says that there is nothing yet of what was asked for, and offers what makes it.
 * @param title of the command that does
 */
async function nothingYet(
  text: string,
  title: string,
  command: CommandId,
  ...args: readonly unknown[]
): Promise<void> {
  const answer = await window.showInformationMessage(text, title);
  if (answer === title) await commands.executeCommand(command, ...args);
}

export const noRunYet = (): void =>
  void nothingYet(l10n.t('There is no run yet.'), l10n.t('Train Subject'), 'para.trainSubject');

/** @param uri of the subject's file */
export const noRunOf = (name: string, uri: Uri): void =>
  void nothingYet(l10n.t('There is no run of "{0}" yet.', name), l10n.t('Train'), 'para.trainSubject', uri);

export const noAdapterYet = (): void =>
  void nothingYet(
    l10n.t('There is no adapter yet: train a subject first.'),
    l10n.t('Train Subject'),
    'para.trainSubject',
  );
