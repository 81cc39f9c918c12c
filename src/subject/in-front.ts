import { TabInputCustom, type Uri, window } from 'vscode';
import { subjectEditorType } from './language.ts';

/** The subject file that is in front, as text or in the editor with its pictures. */
export function subjectInFront(): Uri | undefined {
  const input = window.tabGroups.activeTabGroup.activeTab?.input;
  const isForm = input instanceof TabInputCustom && input.viewType === subjectEditorType;
  const uri = isForm ? input.uri : window.activeTextEditor?.document.uri;
  return uri?.path.endsWith('.para.json') ? uri : undefined;
}
