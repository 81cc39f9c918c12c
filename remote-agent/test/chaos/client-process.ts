// The client as a process that can be killed and started again.
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Where a client with this home puts what is temporary. */
export const temporaryOf = (home: string): string => join(home, 'temporary');

export class ClientProcess {
  #child: ChildProcess | undefined;
  #exit: number | null | undefined;

  constructor(
    readonly program: string,
    readonly home: string,
    readonly host: string,
    readonly directory: string,
  ) {}

  /** @param again resume the job on the host first */
  start(again = false): void {
    const log = openSync(`${this.directory}.log`, 'a');
    this.#exit = undefined;
    const child = spawn(
      process.execPath,
      [this.program, this.host, this.directory, ...(again ? ['again'] : [])],
      {
        env: { ...process.env, PARA_HOME: this.home, TMPDIR: temporaryOf(this.home) },
        cwd: dirname(this.home),
        stdio: ['ignore', log, log],
      },
    );
    closeSync(log);
    this.#child = child;
    child.on('exit', (code) => {
      if (this.#child === child) this.#exit = code;
    });
  }

  /** @returns false where it has ended by itself */
  kill(): boolean {
    if (this.#exit !== undefined) return false;
    const child = this.#child;
    this.#child = undefined;
    return child?.kill('SIGKILL') ?? false;
  }

  /** Exit code once it ended by itself. */
  get exit(): number | null | undefined {
    return this.#exit;
  }
}
