import { readSpec } from '../../../remote-agent/src/jobs/job.ts';
import type { TrainSpec } from '../../../remote-agent/src/subject/train-spec.ts';
import { RunFollower } from './follower.ts';
import { type RunChange, RunLog } from './run-log.ts';

/** What the panel does when a run that it follows goes on. */
export interface FollowedHooks {
  /** Everything that was there when it was opened has been read. */
  onCaughtUp(run: FollowedRun): void;
  onChange(run: FollowedRun, change: RunChange): void;
  onLook(run: FollowedRun): void;
  onFailure(cause: unknown): void;
}

/** A run that a panel shows: the one it is about, or one laid over it. */
export class FollowedRun {
  readonly spec: TrainSpec;
  readonly log: RunLog;
  readonly #follower: RunFollower;
  #caughtUp = false;

  /** @throws ParaError `run` where the folder is no run */
  constructor(
    readonly id: string,
    readonly directory: string,
    hooks: FollowedHooks,
  ) {
    this.spec = readSpec(directory);
    this.log = new RunLog(this.spec.samples.prompts);
    this.#follower = new RunFollower(directory, this.log, {
      onChange: (change, live) => {
        if (live) hooks.onChange(this, change);
      },
      onLook: () => {
        if (!this.#caughtUp) {
          this.#caughtUp = true;
          hooks.onCaughtUp(this);
        }
        hooks.onLook(this);
      },
      onFailure: (cause) => hooks.onFailure(cause),
    });
    this.ready = this.#follower.look();
  }

  /** Resolves when everything that was there has been read. */
  readonly ready: Promise<void>;

  dispose(): void {
    this.#follower.dispose();
  }
}
