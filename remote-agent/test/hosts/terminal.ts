import { spawn } from 'node:child_process';

/** A command on a terminal of its own. */
export class Terminal {
  /** What it showed so far. */
  shown = '';
  readonly pid: number;
  readonly ended: Promise<number | null>;
  readonly #child;

  /** @param env further variables of its environment */
  constructor(words: readonly string[], env: NodeJS.ProcessEnv) {
    const child = spawn('script', ['-qec', words.map((word) => `'${word}'`).join(' '), '/dev/null'], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, ...env, NO_COLOR: '1' },
    });
    child.stdout.on('data', (part: Buffer) => {
      this.shown += part.toString();
    });
    this.#child = child;
    this.pid = child.pid!;
    this.ended = new Promise((resolve) => child.on('close', resolve));
  }

  type(text: string): void {
    this.#child.stdin.write(text);
  }

  /** Waits until something is so. @throws Error where the command ends before */
  async until(isSo: () => boolean): Promise<void> {
    let over = false;
    void this.ended.then(() => {
      over = true;
    });
    while (!isSo()) {
      if (over) throw new Error(`It ended early:\n${this.shown}`);
      await new Promise((resume) => setTimeout(resume, 20));
    }
  }
}
