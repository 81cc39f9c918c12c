import { readSpec } from '../../remote-agent/src/jobs/job.ts';
import { describe } from '../platform/failure.ts';
import type { Owned } from '../platform/signal.ts';
import { type Pace, picturesAStep } from './cost.ts';
import { secondsAStep } from './panel/run-files.ts';
import type { Run } from './run.ts';
import type { Services } from './services.ts';

/** Times are those of one picture; what stands under `para.paces` is of whole batches. */
const key = 'para.pacesAPicture';
/** How many runs estimates go by. */
const kept = 20;

type Memory = Pick<Services, 'context'>;

/** How fast finished runs were, the newest first. */
export const paces = ({ context }: Memory): Pace[] => context.globalState.get(key) ?? [];

/** Remembers the pace of every run that finishes, for estimates. */
export const rememberPaces = (services: Memory & Pick<Services, 'runs' | 'log'>): Owned =>
  services.runs.onEnd((run) => {
    remember(services, run).catch((cause) => services.log.warn(`${run.id}: ${describe(cause)}`));
  });

async function remember(memory: Memory, { state, directory, host, base, method }: Run): Promise<void> {
  if (state !== 'finished') return;
  const seconds = await secondsAStep(directory);
  if (!seconds) return;
  const secondsPerStep = seconds / picturesAStep(readSpec(directory).training);
  const pace: Pace = { host, base, method, secondsPerStep };
  await memory.context.globalState.update(key, [pace, ...paces(memory)].slice(0, kept));
}
