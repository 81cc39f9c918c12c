import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { EventLog } from '../../../remote-agent/src/jobs/event-log.ts';
import { jobFiles, writeStatus } from '../../../remote-agent/src/jobs/job.ts';
import { takeLock } from '../../../remote-agent/src/jobs/lock.ts';

/** An hour at ten steps a second, which is what a small model makes. */
export const liveSteps = 36_000;
/** Events a second here: the hour in a minute. */
const pace = 600;
const turn = 50;

/**
 * A run that goes on as a trainer's does, from the place where a finished one was begun: this process holds its lock and
 * writes its events, an hour's worth of them within a minute.
 */
export async function liveHour(run: string, target: string, opened: () => Promise<void>): Promise<void> {
  cpSync(run, target, { recursive: true });
  const files = jobFiles(target);
  rmSync(files.events);
  const spec = JSON.parse(readFileSync(join(target, 'spec.json'), 'utf8'));
  const training = { ...spec.training, steps: liveSteps };
  writeFileSync(
    join(target, 'spec.json'),
    JSON.stringify({ ...spec, training, createdAt: '2030-01-01T00:00:00.000Z' }),
  );
  const unlock = takeLock(files.lock);
  const log = new EventLog(files.events);
  const status = (state: 'running' | 'finished', step: number) =>
    writeStatus(target, { state, step, steps: liveSteps, loss: 0.05 });
  try {
    log.append({ type: 'started', steps: liveSteps, parameters: 1000, layers: 56 });
    status('running', 0);
    await opened();
    const begun = Date.now();
    for (let step = 1; step <= liveSteps; step++) {
      const loss = 0.05 + 0.02 * Math.sin(step);
      log.append({
        ...{ type: 'step', step, loss, smoothedLoss: 0.05, learningRate: 1e-4 },
        ...{ gradientNorm: 0.1, seconds: 0.1, memoryBytes: 3e8 },
      });
      if (step % 100 === 0) log.append({ type: 'validation', step, loss: 0.05 });
      if (step % (pace / 2) === 0) status('running', step);
      if (step % ((pace * turn) / 1000) === 0)
        await sleep(Math.max(0, begun + (1000 * step) / pace - Date.now()));
    }
    log.append({ type: 'finished', step: liveSteps, seconds: 3600, file: files.adapter });
    status('finished', liveSteps);
  } finally {
    log.close();
    unlock();
  }
}
