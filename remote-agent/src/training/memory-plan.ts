/** Most step sessions kept at once; a run whose pictures have more sizes makes some of them anew now and then. */
export const mostEngines = 3;

/** Assumed where the device does not tell what it has. */
const unknownMemory = 4 * 2 ** 30;

/** Share of the memory at hand that estimates may fill; the runtime's own overhead needs the rest. */
export const usableShare = 0.85;

/** What a run's sessions need, in bytes. */
export interface MemoryNeeds {
  /** A training session of the largest size. */
  readonly step: number;
  /** All that measures the validation loss; 0: nothing is measured. */
  readonly validation: number;
  /** All that draws samples; 0: none are drawn. */
  readonly sampler: number;
}

export interface MemoryPlan {
  /** Training, validation and sampler are loaded one at a time. */
  readonly turns: boolean;
  /** Sessions of different sizes that are kept, from 1. */
  readonly engines: number;
  /** What the user should know. */
  readonly note?: string;
}

/** Bytes in words, e.g. `1.2 GB`. */
export const sizeText = (bytes: number): string =>
  bytes < 1e9 ? `${Math.max(1, Math.round(bytes / 1e6))} MB` : `${(bytes / 1e9).toFixed(1)} GB`;

/**
 * Which sessions of a run stay loaded together. It decides about time and memory alone: what a run computes is the
 * same either way.
 * @param setting `samples.memory` of the subject file
 * @param sizes how many sizes the training pictures have
 * @param atHand bytes that the device has left, `undefined` where nobody tells
 */
export function planMemory(
  setting: 'auto' | 'beside' | 'turns',
  sizes: number,
  needs: MemoryNeeds,
  atHand: number | undefined,
): MemoryPlan {
  const wanted = Math.min(mostEngines, sizes);
  if (setting === 'beside') return { turns: false, engines: wanted };
  const room = usableShare * (atHand ?? unknownMemory);
  const { step, validation, sampler } = needs;
  if (setting === 'auto' && wanted * step + validation + sampler <= room)
    return { turns: false, engines: wanted };
  const engines = Math.min(wanted, Math.max(1, Math.floor(room / step)));
  const hand = atHand === undefined ? 'memory of an unknown size' : `${sizeText(atHand)} of memory`;
  const largest = Math.max(step, validation, sampler);
  if (largest > room)
    return {
      turns: true,
      engines,
      note: `This run needs about ${sizeText(largest)}, and there is ${hand}: it may fail or be very slow. A smaller training.resolution or training.batch needs less`,
    };
  if (setting === 'turns') return { turns: true, engines };
  return {
    turns: true,
    engines,
    note: `Training (${sizeText(wanted * step)}), validation (${sizeText(validation)}) and sampler (${sizeText(sampler)}) are loaded in turns: there is ${hand}`,
  };
}
