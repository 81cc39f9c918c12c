import type { Problem } from '../../platform/problem.ts';
import type { CheckContext } from './context.ts';
import { pictureProblems } from './pictures.ts';
import { settingProblems } from './settings.ts';
import { wordProblems } from './words.ts';

export type { CheckContext } from './context.ts';

/**
 * Everything that the JSON Schema cannot say about a subject file. Nothing of one that is no JSON yet: behind a missing
 * bracket keys are taken for pictures, and the JSON service marks what is to be mended first.
 */
export async function subjectProblems(context: CheckContext): Promise<Problem[]> {
  if (context.document.broken) return [];
  return [...settingProblems(context), ...(await wordProblems(context)), ...(await pictureProblems(context))];
}
