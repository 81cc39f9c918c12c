const kib = 1024;
/** Bytes that are sent in one go. */
export const paceBlock = 16 * kib;
const least = 48 * kib;
const most = 8192 * kib;
/** Time that bytes may wait in queues on the way, in ms. */
const target = 12;
/** For how long the fastest answer counts, in ms: routes change. */
const remembered = 20_000;

/**
 * How many bytes may be under way at once, so that they fill a link and wait nowhere on it: what else uses the link
 * (events) would wait behind them. Judged by how much later than at best the other end says that bytes have arrived,
 * after the idea of LEDBAT (RFC 6817). Times are in ms, of any one clock.
 */
export class Pace {
  window = 64 * kib;
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

  /** Time a round takes at best; unknown before the first answer. */
  get #round(): number {
    return Math.min(...this.#best);
  }

  /** Whether another block may be under way. The first one finds out how long a round takes. */
  get hasRoom(): boolean {
    return (
      this.#underWay === 0 || (Number.isFinite(this.#round) && this.#underWay + paceBlock <= this.window)
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
    const share = 1 - (took - this.#round) / target;
    // A sixth more or less a round at most; what was not full tells nothing of how much more there is room for.
    if (share < 0 || this.#full) this.window += (Math.max(-1, share) * bytes) / 6;
    this.window = Math.min(most, Math.max(least, this.window));
  }
}
