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
  readonly problem?: unknown;
}

/** When the link to a run's host was lost, and came back; further tries in between are no news. */
export class LinkLog {
  #lost = false;
  readonly #events: LinkEvent[] = [];

  get events(): readonly LinkEvent[] {
    return this.#events;
  }

  /** @returns whether that is an event */
  take(link: Link | undefined, time: string): boolean {
    const lost = link !== undefined && link.at !== 'connected';
    if (lost === this.#lost) return false;
    this.#lost = lost;
    this.#events.push({ time, what: lost ? 'lost' : 'back', ...(lost ? { problem: link.problem } : {}) });
    return true;
  }
}
