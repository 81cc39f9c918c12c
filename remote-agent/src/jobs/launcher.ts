import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { loadingEnvironment } from '../common/loading-env.ts';
import { jobFiles } from './job.ts';
import { isTrained } from './liveness.ts';
import { slotEnvironment } from './slots.ts';

/** Where the seam to a cluster's scheduler is: how a job becomes a process whose end is waited for. */
export interface Launcher {
  /** Starts the trainer of a job; resolves with its exit code, `null` where it was killed. */
  run(directory: string, slot: string): Promise<number | null>;
  /** Whether a trainer of the job runs, whoever started it. */
  isRunning(directory: string): boolean;
}

/** Starts trainers as processes of this machine, each in a session of its own. */
export const directLauncher = (
  bundle = fileURLToPath(new URL('./trainer.js', import.meta.url)),
): Launcher => ({
  isRunning: (directory) => isTrained(jobFiles(directory)),
  run(directory, slot) {
    const log = openSync(jobFiles(directory).log, 'a', 0o600);
    const child: ChildProcess = spawn(process.execPath, [bundle, directory], {
      detached: true,
      stdio: ['ignore', log, log],
      env: { ...loadingEnvironment(), ...slotEnvironment(slot) },
    });
    closeSync(log);
    return new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('exit', (code) => resolve(code));
    });
  },
});
