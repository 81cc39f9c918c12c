import { createHash } from 'node:crypto';
import { existsSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { writeFileAtomic } from '../common/files.ts';
import { paraHome } from '../diffusion/base-places.ts';

/** What was made for a client waits here to be fetched; one that comes back later asks for it again. In ms. */
const keptFor = 24 * 3600 * 1000;

const folder = () => join(paraHome(), 'outbox');

/** Where a drawn picture, a preview or an exported file lies by its hash. */
export const outboxPath = (sha256: string): string => join(folder(), sha256);

/** Keeps a file for its client under its hash. */
export function keepForClient(file: Uint8Array): { sha256: string; bytes: number } {
  const sha256 = createHash('sha256').update(file).digest('hex');
  writeFileAtomic(outboxPath(sha256), file);
  return { sha256, bytes: file.length };
}

/** Forgets what nobody fetched in time, or was fetched long ago. */
export function emptyOutbox(now = Date.now()): void {
  if (!existsSync(folder())) return;
  for (const name of readdirSync(folder())) {
    const path = join(folder(), name);
    try {
      if (now - statSync(path).mtimeMs > keptFor) rmSync(path, { force: true });
    } catch {
      // Another process of this host took it away.
    }
  }
}
