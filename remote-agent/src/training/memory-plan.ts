import { ParaError } from '../common/errors.ts';
import { sizeText } from '../common/size-text.ts';

/** Assumed where the device does not tell what it has. */
const unknownMemory = 4 * 2 ** 30;

/** Share of the memory at hand that estimates may fill; the runtime's own overhead needs the rest. */
export const usableShare = 0.85;

/** What a run's sessions need, in bytes. */
export interface MemoryNeeds {
  /** A training session of the largest size: one is loaded at a time. */
  readonly step: number;
  /** All that measures the validation loss; 0: nothing is measured. */
  readonly validation: number;
  /** All that draws samples, kept together; 0: none are drawn. */
  readonly sampler: number;
  /** The largest part of it, which is what is held where it is loaded part by part: in turns. */
  readonly samplerInTurns: number;
}

/** How a run is held in memory. */
export interface MemoryPlan {
  /** How training keeps activations. */
  readonly mode: 'fast' | 'lean';
  /** Training, validation and each part of the sampler are loaded one at a time. */
  readonly turns: boolean;
  /** What the user should know. */
  readonly note?: string;
}

/** Which sessions are loaded together. */
export type SessionPlan = Omit<MemoryPlan, 'mode'>;

/**
 * Which sessions of a run stay loaded together. It decides about time and memory alone: what a run computes is the
 * same either way.
 * @param setting `samples.memory` of the subject file
 * @param atHand bytes that the device has left, `undefined` where nobody tells
 */
export function planMemory(
  setting: 'auto' | 'beside' | 'turns',
  needs: MemoryNeeds,
  atHand: number | undefined,
): SessionPlan {
  if (setting === 'beside') return { turns: false };
  const room = usableShare * (atHand ?? unknownMemory);
  const { step, validation, sampler, samplerInTurns } = needs;
  if (setting === 'auto' && step + validation + sampler <= room) return { turns: false };
  const hand = atHand === undefined ? 'memory of an unknown size' : `${sizeText(atHand)} of memory`;
  const largest = Math.max(step, validation, samplerInTurns);
  if (largest > room)
    return {
      turns: true,
      note: `This run needs about ${sizeText(largest)}, and there is ${hand}: it may fail or be very slow. ${lessOf(needs)} needs less`,
    };
  if (setting === 'turns') return { turns: true };
  return {
    turns: true,
    note: `Training (${sizeText(step)}), validation (${sizeText(validation)}) and sampler (${sizeText(sampler)}, part by part ${sizeText(samplerInTurns)}) are loaded in turns: there is ${hand}`,
  };
}

/** The setting that the largest of a run's sessions follows from. */
function lessOf({ step, validation, samplerInTurns }: MemoryNeeds): string {
  if (step >= Math.max(validation, samplerInTurns)) return 'A smaller training.resolution or training.batch';
  return validation >= samplerInTurns ? 'validation.every 0' : 'samples.every 0';
}

/** A setting that would need less, in the words of the subject file, with the bytes that it needs. */
export interface Smaller {
  readonly setting: string;
  readonly bytes: number;
}

/** What a plan is made from. */
export interface PlanInput {
  /** `training.memory` and `samples.memory` of the subject file. */
  readonly mode: 'auto' | 'fast' | 'lean';
  readonly sessions: 'auto' | 'beside' | 'turns';
  readonly needs: (mode: 'fast' | 'lean') => MemoryNeeds;
  /** Bytes that pictures need to be encoded, before anything else is loaded. */
  readonly encoding: number;
  /** Bytes that the device has left, `undefined` where nobody tells. */
  readonly atHand: number | undefined;
  /** Bytes above which a run is refused; default those at hand. */
  readonly most?: number | undefined;
  /** Other programs on the device, asked for where they may be why less is free; `undefined`: none that are known. */
  readonly others?: () => string | undefined;
  /** Settings that may fit, asked for where a run is refused. */
  readonly smaller: () => Iterable<Smaller>;
}

export interface PlanOfRun extends MemoryPlan {
  /** The most that is held at once, in bytes. */
  readonly neededBytes: number;
  /** What the device has left; `undefined` where nobody tells. */
  readonly freeBytes: number | undefined;
}

/** The most that is held at once where as much as may be takes turns. */
export function leastNeeded(
  { step, validation, sampler, samplerInTurns }: MemoryNeeds,
  encoding: number,
  beside = false,
): number {
  const sessions = beside ? step + validation + sampler : Math.max(step, validation, samplerInTurns);
  return Math.max(sessions, encoding);
}

/**
 * Chooses how a run is held in memory. `auto` takes `fast` where that fits, else `lean`, and refuses what cannot fit
 * even so; what a subject file asks for by name is tried, with a note where it is likely to fail.
 * @throws ParaError `memory` with what is needed, what is there, and what would fit
 */
export function planRunMemory(input: PlanInput): PlanOfRun {
  const { mode: asked, sessions, needs, encoding, atHand } = input;
  const beside = sessions === 'beside';
  const plan = (mode: 'fast' | 'lean', note?: string): PlanOfRun => {
    const needed = needs(mode);
    const made = planMemory(sessions, needed, atHand);
    const { step, validation, sampler, samplerInTurns } = needed;
    const together = made.turns ? Math.max(step, validation, samplerInTurns) : step + validation + sampler;
    const notes = [note, made.note].filter((one) => one !== undefined);
    const others = notes.length > 0 ? input.others?.() : undefined;
    if (others) notes.push(`Also on the device: ${others}`);
    return {
      ...{ mode, turns: made.turns },
      ...{ neededBytes: Math.max(together, encoding), freeBytes: atHand },
      ...(notes.length > 0 ? { note: notes.join('. ') } : {}),
    };
  };
  if (asked !== 'auto') return plan(asked);
  const room = usableShare * (atHand ?? unknownMemory);
  const fast = leastNeeded(needs('fast'), encoding, beside);
  if (fast <= room) return plan('fast');
  const lean = leastNeeded(needs('lean'), encoding, beside);
  const most = input.most ?? atHand;
  if (most !== undefined && lean > most) throw tooLarge(input, lean, most);
  if (lean === fast) return plan('fast');
  const hand = atHand === undefined ? 'how much there is nobody tells' : `${sizeText(atHand)} are free`;
  return plan(
    'lean',
    `This run computes activations again (training.memory "auto" took "lean"): "fast" needs about ${sizeText(fast)}, "lean" ${sizeText(lean)}, and ${hand}`,
  );
}

function tooLarge(input: PlanInput, needed: number, most: number): ParaError {
  const { step, validation, sampler, samplerInTurns } = input.needs('lean');
  const samples = input.sessions === 'beside' ? sampler : samplerInTurns;
  const parts = [
    `training ${sizeText(step)}`,
    ...(validation > 0 ? [`validation ${sizeText(validation)}`] : []),
    ...(samples > 0 ? [`samples ${sizeText(samples)}`] : []),
    `pictures ${sizeText(input.encoding)}`,
  ].join(', ');
  const fitting = new Map<string, string>();
  let least: Smaller | undefined;
  for (const smaller of input.smaller()) {
    const [key = ''] = smaller.setting.split(' ');
    // Of each setting, the first value that fits.
    if (smaller.bytes <= usableShare * most && !fitting.has(key))
      fitting.set(key, `${smaller.setting} (about ${sizeText(smaller.bytes)})`);
    if (!least || smaller.bytes < least.bytes) least = smaller;
  }
  // A device that would not hold the run with nothing else on it is not refused for what is.
  const others = input.most === undefined ? input.others?.() : undefined;
  const nothing = least
    ? `no smaller setting fits either: even ${least.setting} needs about ${sizeText(least.bytes)}; use another device or host, or end other programs`
    : 'use another device or host, or end other programs';
  return new ParaError(
    'memory',
    'This run does not fit into the memory of its device, not even with training.memory "lean"',
    {
      where: `needed at least ${sizeText(needed)} (${parts}), there: ${sizeText(most)}${others ? `; also on the device: ${others}` : ''}`,
      hint:
        fitting.size > 0
          ? `what would fit: ${[...fitting.values()].join('; ')}; or end other programs`
          : nothing,
    },
  );
}

/** A plan in a line, e.g. `fast, about 180 MB of 20.1 GB free`. */
export function planWords({
  mode,
  turns,
  neededBytes,
  freeBytes,
}: Pick<PlanOfRun, 'mode' | 'turns' | 'neededBytes'> & { readonly freeBytes?: number | undefined }): string {
  const hand = freeBytes === undefined ? '' : ` of ${sizeText(freeBytes)} free`;
  return `${mode}, about ${sizeText(neededBytes)}${hand}${turns ? ', one session at a time' : ''}`;
}
