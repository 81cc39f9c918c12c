import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ParaError } from '../../remote-agent/src/common/errors.ts';
import { writeFileAtomic } from '../../remote-agent/src/common/files.ts';

/** How it stands with the link to a run's host. */
interface Link {
  readonly at: 'connected' | 'waiting' | 'stopped';
  readonly problem?: unknown;
}

/** Something that happened to a link. */
export interface LinkEvent {
  /** ISO 8601. */
  readonly time: string;
  readonly what: 'lost' | 'back';
  readonly problem?: { readonly message: string; readonly where?: string; readonly hint?: string };
}

/** Most events that are kept: a link may be bad for days. */
const mostKept = 200;

const fileOf = (directory: string) => join(directory, 'links.json');

/** When the link to a run's host was lost, and came back, whichever window saw it. */
export function linkEvents(directory: string): LinkEvent[] {
  try {
    const events: unknown = JSON.parse(readFileSync(fileOf(directory), 'utf8'));
    return Array.isArray(events) ? (events as LinkEvent[]) : [];
  } catch {
    return []; // it was never lost
  }
}

/** Keeps in a run's folder what happened to its link; further tries in between are no news. */
export function noteLink(directory: string, link: Link | undefined, time: string): void {
  const known = linkEvents(directory);
  const lost = link !== undefined && link.at !== 'connected';
  if (lost === (known.at(-1)?.what === 'lost')) return;
  const problem = lost && link.problem !== undefined ? { problem: inWords(link.problem) } : {};
  const event: LinkEvent = { time, what: lost ? 'lost' : 'back', ...problem };
  writeFileAtomic(fileOf(directory), `${JSON.stringify([...known, event].slice(-mostKept))}\n`);
}

function inWords(cause: unknown): NonNullable<LinkEvent['problem']> {
  if (!(cause instanceof ParaError))
    return { message: cause instanceof Error ? cause.message : String(cause) };
  const { message, where, hint } = cause;
  return { message, ...(where ? { where } : {}), ...(hint ? { hint } : {}) };
}
