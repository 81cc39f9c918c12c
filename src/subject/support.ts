import type { TextDocument } from 'vscode';
import type { Problem } from '../platform/problem.ts';
import { adapterProblems } from '../prompt/problems.ts';
import type { Spots } from '../prompt/spot.ts';
import { subjectProblems } from './checks/index.ts';
import { contextOf, type SubjectServices } from './context.ts';
import { SubjectDocument } from './document.ts';

export { valueCompletion } from './providers/completion.ts';
export { pictureHover, pictureLinks } from './providers/pictures.ts';

/** The prompts of a subject file. */
export function subjectSpots(document: TextDocument): Spots {
  const { base, spots } = new SubjectDocument(document.getText());
  return { base, spots };
}

/** Everything that is to mend in a subject file. */
export async function problemsOf(document: TextDocument, services: SubjectServices): Promise<Problem[]> {
  const context = await contextOf(document, services);
  const adapters = await services.library.adapters();
  return [
    ...(await subjectProblems(context)),
    ...context.document.spots.flatMap((spot) => adapterProblems(spot, adapters, context.t)),
  ];
}
