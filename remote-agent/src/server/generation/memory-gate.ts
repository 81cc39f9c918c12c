import { ParaError } from '../../common/errors.ts';
import { sizeText } from '../../common/size-text.ts';
import { gpus } from '../../jobs/gpus.ts';
import { lockHolder } from '../../jobs/lock.ts';
import { slotLock } from '../../jobs/queue.ts';
import { othersOnGpu } from '../../runtime/card-users.ts';
import type { DeviceName } from '../../runtime/device.ts';
import { memoryAtHand } from '../../runtime/memory.ts';
import { usableShare } from '../../training/memory-plan.ts';

const pause = (ms: number) => new Promise((resume) => setTimeout(resume, ms));

/**
 * Share of the free memory that an estimate may fill. On the processor the runtime takes memory in regions that double
 * in size, and was seen to hold 1.35 times what is alive; where that is not there, the system kills somebody.
 */
const shareFor = (device: DeviceName): number => (device === 'cpu' ? 0.7 : usableShare);

/** Time that others get to give their memory back before it counts as missing, in ms. */
const grace = 5000;

/** What the gate looks at; tests put other eyes in. */
export interface Surroundings {
  /** Bytes that the device has left, `undefined` where nobody tells. */
  readonly free: () => Promise<number | undefined>;
  /** Other programs that hold some of it, in words; `undefined` where there are none, or nobody tells. */
  readonly others: () => string | undefined;
  /** Share of it that an estimate may fill. */
  readonly share: number;
  /** Whether training works, or is about to, where this generator draws. */
  readonly training: () => boolean;
  /** Asks idle generators of the same slot to leave. */
  readonly makeRoom: () => void;
  readonly grace: number;
}

export const isTraining = (slot: string): boolean => lockHolder(slotLock(slot)) !== undefined;

export const surroundings = (slot: string, device: DeviceName, makeRoom: () => void): Surroundings => ({
  free: async () =>
    slot.startsWith('gpu')
      ? (await gpus())[Number(slot.slice(3))]?.freeBytes || undefined
      : memoryAtHand(device),
  others: () => (device === 'cpu' ? undefined : othersOnGpu([`--id=${slot.slice(3)}`])),
  share: shareFor(device),
  training: () => isTraining(slot),
  makeRoom,
  grace,
});

/**
 * Resolves when the device has room for `needed` more bytes. While training holds it, this waits, since training ends.
 * @param tell is told why it waits
 * @param given throws when the request was given up
 * @throws ParaError `device` saying what is missing, where nobody is going to give it back
 */
export async function awaitMemory(
  needed: number,
  what: string,
  around: Surroundings,
  tell: (reason: string) => void,
  given: () => void,
): Promise<void> {
  const begun = Date.now();
  for (let asked = false, told = ''; ; ) {
    given();
    const free = await around.free();
    if (free === undefined || needed <= around.share * free) return;
    const missing = `${what} needs about ${sizeText(needed / around.share)}, and ${sizeText(free)} are free`;
    if (!asked) around.makeRoom();
    asked = true;
    if (around.training()) {
      const reason = `${missing}: it waits until training has ended`;
      if (reason !== told) tell(reason);
      told = reason;
      await pause(1000);
    } else if (Date.now() - begun < around.grace) await pause(200);
    else {
      const others = around.others();
      throw new ParaError('device', 'There is not enough memory to draw', {
        where: `${missing}${others ? `; also on the device: ${others}` : ''}`,
        hint: 'draw a smaller picture, or end other programs there',
      });
    }
  }
}
