import { channel } from 'node:diagnostics_channel';

/** Name of the channel on which laps are told. */
export const lapChannel = 'para:lap';

const laps = channel(lapChannel);

/** The time since the lap before it, or since the process began, went into `part`. */
export interface Lap {
  readonly part: string;
  /** Milliseconds since the process began. */
  readonly at: number;
}

/** Ends a part of the work that a measuring listener may want to tell apart; without a listener it does nothing. */
export function lap(part: string): void {
  if (laps.hasSubscribers) laps.publish({ part, at: performance.now() } satisfies Lap);
}

/** Name of the channel on which it is told what crossed between this process and a device. */
export const trafficChannel = 'para:traffic';

const traffic = channel(trafficChannel);

/** One run of a session: bytes that went to its device and came back. */
export interface Traffic {
  readonly device: string;
  readonly toBytes: number;
  readonly fromBytes: number;
}

/** Tells a measuring listener what a run moved; without a listener nothing is counted. */
export function moved(count: () => Traffic): void {
  if (traffic.hasSubscribers) traffic.publish(count());
}
