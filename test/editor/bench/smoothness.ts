import type { Frame } from 'playwright-core';

const count = 120;

/**
 * Time between two frames of the page, in ms, while somebody goes into a chart with the wheel, along it and out again,
 * one turn of the wheel a frame.
 */
export async function frameTimes(frame: Frame): Promise<{ frameMs: number; frameP95Ms: number }> {
  const times = await frame.evaluate(
    (count) =>
      new Promise<number[]>((resolve) => {
        const plot = document.querySelector('.ui-chart-plot')!;
        const over = plot.querySelector('.u-over')!;
        const { left, width } = over.getBoundingClientRect();
        const found: number[] = [];
        let last = performance.now();
        const next = () => {
          const now = performance.now();
          found.push(now - last);
          last = now;
          if (found.length === count) return resolve(found);
          const part = Math.floor((3 * found.length) / count);
          const turn = [{ deltaY: -100, ctrlKey: true }, { deltaX: 60 }, { deltaY: 100, ctrlKey: true }][
            part
          ];
          over.dispatchEvent(
            new WheelEvent('wheel', {
              ...{ ...turn, clientX: left + width / 2 },
              ...{ bubbles: true, cancelable: true },
            }),
          );
          requestAnimationFrame(next);
        };
        requestAnimationFrame(next);
      }),
    count,
  );
  times.sort((a, b) => a - b);
  return { frameMs: times[Math.floor(0.5 * count)]!, frameP95Ms: times[Math.floor(0.95 * count)]! };
}
