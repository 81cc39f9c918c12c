import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { ParaError } from '../../common/errors.ts';
import { paraHome } from '../../diffusion/base-places.ts';

/** Longest path of a socket that every system takes, in bytes (macOS: 104 with the end). */
const longest = 103;

/** What one resident generator serves. All clients of a host share the one of their base, device and slot. */
export interface GeneratorKey {
  readonly base: string;
  readonly baseHash: string;
  readonly slot: string;
  readonly device: 'cpu' | 'cuda' | 'webgpu';
  /** Bundle that it runs: an agent that was updated does not draw with the old one. */
  readonly bundle: string;
}

/** Folder of the sockets, which the user alone can enter. */
export function generatorsFolder(): string {
  const folder = join(paraHome(), 'generators');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  chmodSync(folder, 0o700);
  return folder;
}

/** Files of a generator. @throws ParaError `host` where the folder's path is too long for a socket */
export function generatorFiles({ baseHash, slot, device, bundle }: GeneratorKey) {
  const program = createHash('sha256').update(bundle).digest('hex').slice(0, 6);
  const stem = join(generatorsFolder(), `${slot}-${device}-${baseHash.slice(0, 16)}-${program}`);
  const socket = `${stem}.sock`;
  if (Buffer.byteLength(socket) > longest)
    throw new ParaError('host', 'The folder of the agent lies too deep for a socket', {
      where: socket,
      hint: `choose a folder whose path is ${Buffer.byteLength(socket) - longest} bytes shorter`,
    });
  return { socket, lock: `${stem}.lock` };
}
