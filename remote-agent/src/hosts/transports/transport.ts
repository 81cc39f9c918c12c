import type { Readable, Writable } from 'node:stream';
import type { ParaError } from '../../common/errors.ts';

/** A program that runs on a host, with its streams. */
export interface Channel {
  readonly stdin: Writable;
  readonly stdout: Readable;
  /** The end of what it said on stderr. */
  errors(): string;
  /** Exit code; `null` where it was killed or the link was lost. */
  readonly exit: Promise<number | null>;
  kill(): void;
}

/** A way to run programs on a host. Every channel is independent; losing one loses no other's bytes. */
export interface Transport {
  /**
   * Starts a program, given as an argument vector.
   * @throws ParaError `host` when the host opens no channel
   */
  run(words: readonly string[]): Promise<Channel>;
  /** Turns the end of a channel that never worked into words that say what to do. */
  explain(channel: Channel, code: number | null): ParaError;
  close(): void;
}
