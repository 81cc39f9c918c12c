import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ParaError } from '../../common/errors.ts';
import type { HostLock } from './lock.ts';
import type { PlainFile } from './request.ts';

/** What this program sends to hosts: built beside its own bundle. */
export interface HostPackage {
  readonly folder: string;
  readonly version: string;
  readonly agent: PlainFile;
  readonly bases: PlainFile;
  readonly setup: PlainFile;
  readonly lock: HostLock;
}

/** Folder of the package beside the bundle of the caller. */
export const packageFolder = (): string => fileURLToPath(new URL('./host', import.meta.url));

/** @throws ParaError `host` when it was not built */
export function openHostPackage(folder = packageFolder()): HostPackage {
  const path = join(folder, 'manifest.json');
  if (!existsSync(path))
    throw new ParaError('host', 'The package for hosts is not built', {
      where: path,
      hint: 'run "npm run build"',
    });
  const read = (name: string) => JSON.parse(readFileSync(join(folder, name), 'utf8'));
  return { ...read('manifest.json'), lock: read('host-lock.json'), folder };
}
