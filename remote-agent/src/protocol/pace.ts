const kib = 1024;
/** Bytes that are sent in one go: few on a narrow link, where what comes behind waits for all of them. */
export const [leastBlock, mostBlock] = [8 * kib, 64 * kib];
const least = 16 * kib;
const most = 8192 * kib;
/** Time that bytes may wait in queues on the way, in ms. */
const target = 8;
/** For how long the fastest answer counts, in ms: routes change. */
const remembered = 20_000;
/** The fastest of so many answers counts: one alone is late because a machine is busy. */
const answersHeard = 4;
/** Share by which the window may change a round: until the link is full for the first time, and from then on. */
const [seeking, keeping] = [1 / 4, 1 / 16];

/**
 * How many bytes may be under way at once, so that they fill a link and wait nowhere on it: what else uses the link
 * (events) would wait behind them. Judged by how much later than at best the other end says that bytes have arrived,
 * after the idea of LEDBAT (RFC 6817). Times are in ms, of any one clock.
 */
export class Pace {
  window = 32 * kib;
  /** Bytes that are under way, by when they were sent. */
  readonly #sent: { readonly bytes: number; readonly at: number }[] = [];
  #underWay = 0;
  /** When the next block may be sent. */
  #next = 0;
  /** Whether the last block filled the window. */
  #full = false;
  /** The fastest answers of this span of time and of the one before. */
  #best: readonly [number, number] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  #spanBegan = Number.NEGATIVE_INFINITY;
  readonly #latest: number[] = [];
  #gain = seeking;

  /** Time a round takes at best; unknown before the first answer. */
  get #round(): number {
    return Math.min(...this.#best);
  }

  /** How many bytes the next block has. */
  get block(): number {
    return Math.min(mostBlock, Math.max(leastBlock, this.window >> 5));
  }

  /** Whether another block may be under way. The first one finds out how long a round takes. */
  get hasRoom(): boolean {
    return (
      this.#underWay === 0 || (Number.isFinite(this.#round) && this.#underWay + this.block <= this.window)
    );
  }

  /** How long to wait before the next block, in ms: a window's bytes are spread over the round, not sent in a burst. */
  waitAt(now: number): number {
    return Math.max(0, this.#next - now);
  }

  sent(bytes: number, now: number): void {
    this.#sent.push({ bytes, at: now });
    this.#underWay += bytes;
    this.#full = !this.hasRoom;
    // A little faster than the window asks for, which would not be filled otherwise.
    if (Number.isFinite(this.#round))
      this.#next = Math.max(now, this.#next) + (bytes * this.#round) / (1.25 * this.window);
  }

  /** So many more bytes have arrived. */
  arrived(bytes: number, now: number): void {
    let at = now;
    for (let left = bytes; left > 0 && this.#sent.length > 0; ) {
      const first = this.#sent[0]!;
      at = first.at;
      if (first.bytes > left) this.#sent[0] = { bytes: first.bytes - left, at };
      else this.#sent.shift();
      left -= first.bytes;
    }
    this.#underWay = Math.max(0, this.#underWay - bytes);
    this.#adapt(bytes, now - at, now);
  }

  #adapt(bytes: number, took: number, now: number): void {
    const [current, before] = this.#best;
    const isNewSpan = now - this.#spanBegan > remembered / 2;
    if (isNewSpan) this.#spanBegan = now;
    this.#best = isNewSpan ? [took, current] : [Math.min(took, current), before];
    this.#latest.push(took);
    if (this.#latest.length > answersHeard) this.#latest.shift();
    const waited = Math.min(...this.#latest) - this.#round;
    // An answer tells of a round ago: what grows on quickly where the link is full by then waits in front of it.
    if (waited > target / 2) this.#gain = keeping;
    const share = Math.max(-1, 1 - waited / target);
    // What was not full tells nothing of how much more there is room for.
    if (share < 0) this.window += share * bytes * seeking;
    else if (this.#full) this.window += share * bytes * this.#gain;
    this.window = Math.min(most, Math.max(least, this.window));
  }
}
