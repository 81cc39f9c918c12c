import { CancellationError, ProgressLocation, window } from 'vscode';

/** What long work is given: how to tell how far it is, and when it is to end. */
export interface Work {
  readonly signal: AbortSignal;
  /** @param share of the whole, from 0 to 1 */
  report(message: string, share?: number): void;
}

/**
 * Shows work that takes its time as a notification with a Cancel button. Cancelled, it is over for the person at once;
 * work that does not heed the signal ends unseen.
 * @throws CancellationError
 */
export function withProgress<T>(title: string, work: (work: Work) => Promise<T>): Promise<T> {
  return Promise.resolve(
    window.withProgress(
      { location: ProgressLocation.Notification, title, cancellable: true },
      async (progress, token) => {
        const controller = new AbortController();
        const cancelled = new Promise<never>((_, reject) => {
          token.onCancellationRequested(() => {
            controller.abort();
            reject(new CancellationError());
          });
        });
        let done = 0;
        const working = work({
          signal: controller.signal,
          report: (message, share) => {
            const percent = share === undefined ? done : Math.max(done, share * 100);
            progress.report({ message, increment: percent - done });
            done = percent;
          },
        });
        return Promise.race([working, cancelled]);
      },
    ),
  );
}

/** Work that is done within this time, in ms, is shown nowhere: what comes of it is. */
const briefly = 400;

/**
 * As `withProgress`, for work that mostly takes a moment, and long where there is much of it.
 * @throws CancellationError
 */
export async function withLateProgress<T>(
  title: string,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const working = work(controller.signal);
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(() => resolve('late'), briefly);
  });
  try {
    if ((await Promise.race([working, late])) !== 'late') return await working;
  } finally {
    clearTimeout(timer);
  }
  return withProgress(title, ({ signal }) => {
    signal.addEventListener('abort', () => controller.abort());
    return working;
  });
}
