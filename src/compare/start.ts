import { l10n } from 'vscode';
import { ParaError } from '../../remote-agent/src/common/errors.ts';
import { readSpec } from '../../remote-agent/src/jobs/job.ts';
import { defaultBase } from '../../remote-agent/src/subject/name.ts';
import type { LibraryAdapter } from '../adapters/library.ts';
import type { TrainServices } from '../subject/train.ts';
import type { AwaitedComparisons } from './awaited.ts';
import type { ComparisonRequest } from './open.ts';
import type { ComparisonServices } from './panel.ts';
import { placeFor } from './place.ts';

export type CompareCommandServices = ComparisonServices &
  TrainServices & { readonly awaited: AwaitedComparisons };

/** Opens a comparison, or the drawing of single pictures. */
export async function openDrawing(
  services: CompareCommandServices,
  request: ComparisonRequest,
): Promise<void> {
  services.hosts.mayConnect();
  const { openComparison } = await import('./open.ts');
  await openComparison(services, request);
}

/** Opens a comparison of adapters with their base; prompts are those of the first one's run. */
export async function openAdapters(
  services: CompareCommandServices,
  adapters: readonly LibraryAdapter[],
  prompts?: readonly string[],
): Promise<void> {
  const bases = new Set(adapters.map(({ base }) => base).filter((base) => base !== undefined));
  if (bases.size > 1)
    throw new ParaError('adapter', l10n.t('These adapters are for different bases'), {
      where: [...bases].join(', '),
      hint: l10n.t('compare adapters of one base'),
    });
  const first = adapters[0];
  const base = first?.base ?? defaultBase;
  await openDrawing(services, {
    ...{ host: placeFor(services, adapters, base), base },
    columns: [undefined, ...adapters],
    prompts: prompts ?? (first ? promptsOf(first) : ['']),
  });
}

/** The first prompts that an adapter's run drew its samples of. */
export function promptsOf({ run, info }: LibraryAdapter): string[] {
  if (!run) return [`a ${info.triggerWords?.[0] ?? ''} `.trimEnd()];
  const { samples } = readSpec(run.directory);
  return samples.prompts.slice(0, 4);
}
