import { fork } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { ParaError } from '../common/errors.ts';
import { loadingEnvironment } from '../common/loading-env.ts';
import type { LoggedEvent } from './event-log.ts';

/** How a trainer ended. */
export interface TrainerExit {
  readonly outcome: 'finished' | 'stopped' | 'killed' | 'failed';
  /** The last error it reported. */
  readonly error?: { readonly message: string; readonly where?: string; readonly hint?: string };
}

/** A trainer that runs in a child process. */
export interface Trainer {
  readonly pid: number | undefined;
  /** Asks it to save its state and end. */
  stop(): void;
  /** Ends it at once; its last saved state stays. */
  kill(): void;
  readonly done: Promise<TrainerExit>;
}

/** Bundle of the trainer, beside that of the caller. */
function trainerBundle(): string {
  const path = fileURLToPath(new URL('./trainer.js', import.meta.url));
  if (existsSync(path)) return path;
  throw new ParaError('run', 'The trainer is not built', { where: path, hint: 'run "npm run build"' });
}

/** What to do where the system ended the trainer. */
const signalHints: Partial<Record<NodeJS.Signals, string>> = {
  SIGKILL:
    'a system whose memory is full ends programs so: end other programs, or train with less (training.memory "lean", a smaller training.resolution)',
  SIGBUS:
    'a file of weights was cut off while it was read, or its disk failed: bring the former file back and continue the run',
};

/**
 * Starts the trainer of a job directory; every event it writes is also handed to `onEvent`. When this process ends,
 * however it does, the trainer saves its state and ends too.
 */
export function startTrainer(
  directory: string,
  onEvent: (event: LoggedEvent) => void,
  bundle = trainerBundle(),
): Trainer {
  // Its own process group: Ctrl-C reaches the caller alone, who then asks it to stop.
  const child = fork(bundle, [directory], {
    ...{ stdio: ['ignore', 'ignore', 'pipe', 'ipc'], detached: true },
    env: loadingEnvironment(),
  });
  let error: TrainerExit['error'];
  let stderr = '';
  let killed = false;
  child.stderr?.on('data', (chunk: Buffer) => {
    stderr = (stderr + chunk.toString()).slice(-4000);
  });
  child.on('message', (message) => {
    const event = message as LoggedEvent;
    if (event.type === 'error') error = event;
    onEvent(event);
  });
  const done = new Promise<TrainerExit>((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code, signal) => {
      if (code === 0) resolve({ outcome: 'finished' });
      else if (code === 130) resolve({ outcome: 'stopped' });
      else if (killed) resolve({ outcome: 'killed' });
      else
        resolve({
          outcome: 'failed',
          error: error ?? {
            message: `The trainer ended unexpectedly (${signal ?? `code ${code}`})`,
            hint: (signal && signalHints[signal]) || stderr.trim(),
          },
        });
    });
  });
  const kill = () => {
    killed = child.kill('SIGKILL');
  };
  return { pid: child.pid, stop: () => child.kill('SIGTERM'), kill, done };
}
