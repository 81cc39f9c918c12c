/**
 * Runs `work` with a signal that is given when the person or the system asks this process to stop; until then such
 * requests do not end it.
 */
export async function interruptible<T>(
  work: (signal: AbortSignal) => Promise<T>,
  requests: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM'],
): Promise<T> {
  const control = new AbortController();
  const stop = () => control.abort();
  for (const request of requests) process.on(request, stop);
  try {
    return await work(control.signal);
  } finally {
    for (const request of requests) process.off(request, stop);
  }
}
