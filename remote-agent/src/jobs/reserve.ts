import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ParaError } from '../common/errors.ts';
import { diskError } from '../common/files.ts';
import { runsFolder } from './job.ts';

/** Bytes kept on the disk for the words about its being full: an event, a status, a lock, a few lines of log. */
const reserveBytes = 64 << 10;

/** Sets room aside, unless it is. @throws ParaError `disk` */
export function keepReserve(path: string): void {
  if (existsSync(path)) return;
  try {
    writeFileSync(path, Buffer.alloc(reserveBytes, 1));
  } catch (cause) {
    rmSync(path, { force: true });
    throw diskError(cause, path);
  }
}

/** Gives the room up. @returns whether there was any */
export function spendReserve(path: string): boolean {
  if (!existsSync(path)) return false;
  rmSync(path, { force: true });
  return true;
}

/** The room a host keeps so that jobs can be cancelled and deleted when its disk is full. */
export const homeReserve = (): string => join(dirname(runsFolder()), 'reserve');

/** Does work that writes a little; where the disk is full it is done again in the host's reserve. */
export function withReserve<T>(work: () => T): T {
  try {
    return work();
  } catch (cause) {
    if (!(cause instanceof ParaError && cause.code === 'disk' && spendReserve(homeReserve()))) throw cause;
    return work();
  }
}
