import { rmSync } from 'node:fs';
import { ParaError } from '../common/errors.ts';
import { jobFiles, readSpec } from '../jobs/job.ts';
import { startTrainer } from '../jobs/start.ts';
import { paraLine, shortPath } from './invocation.ts';
import { bold, green, say } from './output.ts';
import { RunDisplay } from './run-display.ts';

/**
 * Runs one job in a trainer of its own and shows its progress until it ends.
 * @returns true when it finished, false when it was stopped on request
 */
export async function runJob(directory: string, json = false): Promise<boolean> {
  const display = new RunDisplay(readSpec(directory), json);
  // Asked to stop earlier; now it is asked to run.
  rmSync(jobFiles(directory).stop, { force: true });
  const again = `continue with ${paraLine('train', '--resume', shortPath(directory))}`;
  const trainer = startTrainer(directory, display.show);
  let asked = false;
  const stop = () => {
    if (asked) return trainer.kill();
    asked = true;
    display.say('Stopping after what it does now; once more ends it at once');
    trainer.stop();
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  try {
    const exit = await trainer.done;
    display.stop();
    if (exit.outcome === 'failed') {
      const { message, where, hint } = exit.error!;
      throw new ParaError('run', message, {
        where: where ?? directory,
        hint: hint ? `${hint}\n  the run is kept: ${again}` : again,
      });
    }
    const left = { stopped: 'Stopped; its state is saved.', killed: 'Ended; its last saved state stays.' };
    if (exit.outcome !== 'finished' && !json) say(`${left[exit.outcome]} ${bold(again)}`);
    return exit.outcome === 'finished';
  } finally {
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
  }
}

/** Tells where the result of a run lies; returns the exit code. */
export function done(directory: string, { json }: { readonly json?: boolean }): number {
  if (!json) say(`${green('done')} ${jobFiles(directory).adapter}`);
  return 0;
}
