import { chmodSync, existsSync, mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { diskError } from '../common/files.ts';
import { runsFolder } from './job.ts';

/**
 * Makes this agent's folder, or closes it to others where it was left open: nothing beneath is reached then,
 * whoever made it. What is made from now on is closed in itself.
 * @throws ParaError `disk`
 */
export function protectHome(home = dirname(runsFolder())): void {
  try {
    if (!existsSync(home)) mkdirSync(home, { recursive: true, mode: 0o700 });
    const { mode, uid } = statSync(home);
    if ((mode & 0o077) !== 0 && uid === process.getuid?.()) chmodSync(home, 0o700);
  } catch (cause) {
    throw diskError(cause, home);
  }
}
