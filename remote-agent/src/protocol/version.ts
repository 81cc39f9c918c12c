/** The newest protocol this code speaks, and the oldest it still understands. 2: `acks` on the blob channel. 3: `jobs/plan`, `training.memory` "auto". 4: `precision` of drawings. */
export const protocolVersion = 4;
export const oldestProtocol = 1;

/**
 * The line an agent writes before the protocol begins: whatever a login shell printed before it is no concern of
 * ours. It is written with an empty line before it, since such noise may lack its line end.
 */
export const sentinel = '#para-agent-protocol-begins#';

/** Longest JSON message in bytes; pictures and adapters travel as blobs, so none comes near it. */
export const maxMessage = 4 << 20;

/** Deepest nesting of brackets in a message. */
export const maxNesting = 64;

/** Longest noise in bytes that is skipped while waiting for the sentinel. */
export const maxBanner = 1 << 20;

/**
 * The version both ends speak: the newest that both understand.
 * @returns `undefined` where there is none
 */
export function agree(theirs: { newest: number; oldest: number }): number | undefined {
  const version = Math.min(protocolVersion, theirs.newest);
  return version >= Math.max(oldestProtocol, theirs.oldest) ? version : undefined;
}
