export function slim(library: Uint8Array, keep: readonly number[]): Buffer;
