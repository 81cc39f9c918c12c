import { describe, expect, it } from 'vitest';
import { leastBlock, Pace } from '../../src/protocol/pace.ts';

/**
 * Sends through a link of a width and a delay, for so long; times in ms.
 * @returns the share of the width that was used, and how long each block waited in front of the link
 */
function simulate({ bytesPerSecond, delay, ms, jitter = () => 0 }: Simulation) {
  const pace = new Pace();
  const answers: { readonly at: number; readonly bytes: number }[] = [];
  const waits: { readonly at: number; readonly wait: number }[] = [];
  let [free, sent] = [0, 0];
  for (let now = 0; now < ms; now += 0.25) {
    while (answers.length > 0 && answers[0]!.at <= now) pace.arrived(answers.shift()!.bytes, now);
    for (let burst = 0; pace.hasRoom && pace.waitAt(now) < 2 && burst < 64; burst++) {
      const begins = Math.max(now, free);
      waits.push({ at: now, wait: begins - now });
      const bytes = pace.block;
      free = begins + (1000 * bytes) / bytesPerSecond;
      const answered = free + 2 * delay + jitter();
      answers.push({ at: Math.max(answered, answers.at(-1)?.at ?? 0), bytes });
      pace.sent(bytes, now);
      sent += bytes;
    }
  }
  return { used: (1000 * sent) / ms / bytesPerSecond, waits };
}

interface Simulation {
  readonly bytesPerSecond: number;
  /** One way. */
  readonly delay: number;
  readonly ms: number;
  readonly jitter?: () => number;
}

describe('the pace of files on a link', () => {
  it.each([
    ['a narrow, far one', { bytesPerSecond: 1e6, delay: 80 }],
    ['a narrow, near one', { bytesPerSecond: 2e6, delay: 5 }],
    ['a wide, far one', { bytesPerSecond: 1e7, delay: 40 }],
  ])('fills %s, and keeps what else uses it waiting for less than 40 ms', (_, link) => {
    const { used, waits } = simulate({ ...link, ms: 20_000 });
    expect(Math.max(...waits.map(({ wait }) => wait))).toBeLessThan(40);
    expect(used).toBeGreaterThan(0.85);
  });

  it('fills a near, wide link though answers are late now and then, as on a busy machine', () => {
    let calls = 0;
    const jitter = () => (calls++ % 500 === 0 ? 60 : 0);
    const { used } = simulate({ bytesPerSecond: 1e8, delay: 0.1, ms: 3000, jitter });
    expect(used).toBeGreaterThan(0.2);
  });

  it('takes a route that has become slower for what it is', () => {
    const pace = new Pace();
    let now = 0;
    const round = (ms: number) => {
      const before = pace.window;
      for (let left = before; left >= leastBlock; left -= leastBlock) pace.sent(leastBlock, now);
      now += ms;
      for (let left = before; left >= leastBlock; left -= leastBlock) pace.arrived(leastBlock, now);
    };
    for (let i = 0; i < 50; i++) round(10);
    const wide = pace.window;
    for (let i = 0; i < 20; i++) round(200);
    expect(pace.window).toBeLessThan(wide / 2);
    for (let i = 0; i < 200; i++) round(200);
    expect(pace.window).toBeGreaterThan(500_000);
  });
});
