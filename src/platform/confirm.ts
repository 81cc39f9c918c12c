import { window } from 'vscode';

/**
 * Asks before something is done; whoever closes the question does not want it.
 * @param yes words of the button that does it
 */
export async function confirmed(question: string, detail: string, yes: string): Promise<boolean> {
  return (await window.showWarningMessage(question, { modal: true, detail }, yes)) === yes;
}
