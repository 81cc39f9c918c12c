import type { Problem } from '../../platform/problem.ts';
import type { CheckContext } from './context.ts';
import { pictureProblems } from './pictures.ts';
import { settingProblems } from './settings.ts';
import { wordProblems } from './words.ts';

export type { CheckContext } from './context.ts';

/** Everything that the JSON Schema cannot say about a subject file. */
export async function subjectProblems(context: CheckContext): Promise<Problem[]> {
  if (!context.document.root) return [];
  return [...settingProblems(context), ...(await wordProblems(context)), ...(await pictureProblems(context))];
}
