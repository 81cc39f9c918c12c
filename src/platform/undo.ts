import { l10n, window } from 'vscode';
import type { Failures } from './failure.ts';

/** What comes of something deleted. */
export interface Ways {
  takeBack(): Promise<void>;
  /** Nobody wants it back: the message is gone. */
  forget(): Promise<void>;
}

/** Says what was deleted; it can be had back for as long as the message is there. */
export function offerUndo(text: string, ways: Ways, failures: Failures): void {
  const undo = l10n.t('Undo');
  void window.showInformationMessage(text, undo).then(async (answer) => {
    try {
      await (answer === undo ? ways.takeBack() : ways.forget());
    } catch (cause) {
      await failures.show(cause);
    }
  });
}
