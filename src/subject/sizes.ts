import type { Size } from '../../remote-agent/src/dataset/crop.ts';
import { trainingSize } from '../../remote-agent/src/diffusion/base-sizes.ts';
import type { BaseFacts } from '../prompt/base-facts.ts';
import type { SubjectDocument } from './document.ts';

/** The size that pictures are trained at, and the step of its sides; `undefined` where the base is not known here. */
export function targetSize(
  document: SubjectDocument,
  facts: BaseFacts | undefined,
): (Size & { readonly step: number }) | undefined {
  if (!facts) return undefined;
  const resolution = document.number(['training', 'resolution']);
  return { ...trainingSize(facts.sizes, resolution), step: facts.sizes.sizeStep };
}
