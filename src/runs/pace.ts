import { readEvents } from '../../remote-agent/src/jobs/event-log.ts';
import { jobFiles, readSpec } from '../../remote-agent/src/jobs/job.ts';
import type { Owned } from '../platform/signal.ts';
import type { Pace } from './cost.ts';
import type { Services } from './services.ts';

const key = 'para.paces';
/** How many runs estimates go by. */
const kept = 20;

type Memory = Pick<Services, 'context'>;

/** How fast finished runs were, the newest first. */
export const paces = ({ context }: Memory): Pace[] => context.globalState.get(key) ?? [];

/** Remembers the pace of every run that finishes, for estimates. */
export function rememberPaces(services: Services): Owned {
  return services.runs.onEnd(async ({ state, directory, host, base, method }) => {
    if (state !== 'finished') return;
    const seconds = readEvents(jobFiles(directory).events)
      .flatMap((event) => (event.type === 'step' ? [event.seconds] : []))
      .slice(-200)
      .sort((a, b) => a - b);
    const median = seconds[seconds.length >> 1];
    if (!median) return;
    const { accumulation } = readSpec(directory).training;
    const pace: Pace = { host, base, method, secondsPerStep: median / accumulation };
    await services.context.globalState.update(key, [pace, ...paces(services)].slice(0, kept));
  });
}
