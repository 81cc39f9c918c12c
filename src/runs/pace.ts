import { jobFiles, readSpec } from '../../remote-agent/src/jobs/job.ts';
import type { Owned } from '../platform/signal.ts';
import type { Pace } from './cost.ts';
import { endOf } from './panel/run-files.ts';
import type { Services } from './services.ts';

const key = 'para.paces';
/** How many runs estimates go by. */
const kept = 20;

/** As much of a log's end as holds some two hundred steps, in bytes. */
const lastBytes = 64 << 10;

/** Seconds of the steps in a stretch of a log, of which the first line may be torn. */
function secondsOf(text: string): number[] {
  return text.split('\n').flatMap((line) => {
    try {
      const event = JSON.parse(line) as { type?: string; seconds?: number };
      return event.type === 'step' && typeof event.seconds === 'number' ? [event.seconds] : [];
    } catch {
      return [];
    }
  });
}

type Memory = Pick<Services, 'context'>;

/** How fast finished runs were, the newest first. */
export const paces = ({ context }: Memory): Pace[] => context.globalState.get(key) ?? [];

/** Remembers the pace of every run that finishes, for estimates. */
export function rememberPaces(services: Services): Owned {
  return services.runs.onEnd(async ({ state, directory, host, base, method }) => {
    if (state !== 'finished') return;
    const { text } = await endOf(jobFiles(directory).events, lastBytes);
    const seconds = secondsOf(text).sort((a, b) => a - b);
    const median = seconds[seconds.length >> 1];
    if (!median) return;
    const { accumulation } = readSpec(directory).training;
    const pace: Pace = { host, base, method, secondsPerStep: median / accumulation };
    await services.context.globalState.update(key, [pace, ...paces(services)].slice(0, kept));
  });
}
