import type { Frame } from 'playwright-core';

type Watching = Window & { seen: [step: number, time: number][] };

/** Notes in the page when the panel of a run first shows a step. */
export async function watchSteps(frame: Frame): Promise<void> {
  await frame.locator('.run-facts dd').first().waitFor();
  await frame.evaluate(() => {
    const page = window as unknown as Watching;
    page.seen = [];
    const look = () => {
      const text = document.querySelector('.run-facts dd')?.textContent ?? '';
      const step = Number(/^[\d,]+/.exec(text)?.[0].replaceAll(',', '') ?? 0);
      if (step > (page.seen.at(-1)?.[0] ?? 0)) page.seen.push([step, Date.now()]);
    };
    new MutationObserver(look).observe(document.body, {
      ...{ subtree: true, childList: true, characterData: true },
    });
  });
}

/** How long after a step's event was written the panel showed it, in ms; steps that it passed over are left out. */
export async function lateness(frame: Frame, events: string) {
  const seen = await frame.evaluate(() => (window as unknown as Watching).seen);
  const written = new Map<number, number>();
  for (const line of events.split('\n')) {
    if (!line) continue;
    const event = JSON.parse(line) as { type: string; step: number; time: string };
    if (event.type === 'step') written.set(event.step, Date.parse(event.time));
  }
  const times = seen
    .filter(([step]) => written.has(step))
    .map(([step, time]) => time - written.get(step)!)
    .sort((a, b) => a - b);
  const at = (share: number) => times[Math.min(times.length - 1, Math.floor(share * times.length))]!;
  return { shown: times.length, shownMs: at(0.5), shownP99Ms: at(0.99) };
}
