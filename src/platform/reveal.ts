import { commands, env, l10n, Uri, window } from 'vscode';

/** Shows a file or folder of this machine where its system does; where the editor cannot, its path can be copied. */
export async function reveal(path: string): Promise<void> {
  try {
    await commands.executeCommand('revealFileInOS', Uri.file(path));
  } catch {
    // An editor in a browser has no such command.
    const copy = l10n.t('Copy Path');
    if ((await window.showInformationMessage(path, copy)) === copy) await env.clipboard.writeText(path);
  }
}
