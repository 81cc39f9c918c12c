import { CodeLens, type CodeLensProvider, l10n, Range } from 'vscode';
import type { CommandId } from '../../platform/commands.ts';

/** What can be done with a subject, above its file. */
export const subjectLenses: CodeLensProvider = {
  provideCodeLenses(document) {
    const brace = Math.max(0, document.getText().search(/\{/));
    const { line } = document.positionAt(brace);
    const range = new Range(line, 0, line, 0);
    const lens = (title: string, command: CommandId, tooltip: string) =>
      new CodeLens(range, { title, command, tooltip, arguments: [document.uri] });
    return [
      lens(`$(play) ${l10n.t('Train')}`, 'para.trainSubject', l10n.t('Train this subject')),
      lens(
        l10n.t('Continue'),
        'para.continueTraining',
        l10n.t('Train the newest run of this subject further'),
      ),
      lens(l10n.t('Show Runs'), 'para.showRunsOfSubject', l10n.t('Show the runs of this subject')),
      lens(l10n.t('Compare'), 'para.compareMethods', l10n.t('Compare LoRA and PaRa on this subject')),
      lens(
        `$(file-media) ${l10n.t('Pictures')}`,
        'para.openSubjectEditor',
        l10n.t('Open the subject editor with its pictures'),
      ),
    ];
  },
};
