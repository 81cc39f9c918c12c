import { openSync } from 'node:fs';
import { StringDecoder } from 'node:string_decoder';
import { ReadStream, WriteStream } from 'node:tty';
import { nobody, type Prompter } from '../hosts/prompter.ts';

/** Asks on the terminal of this process, even where input and output are redirected; without one, answers no. */
export const terminalPrompter: Prompter = {
  confirmHostKey: ({ host, keyType, fingerprint }) =>
    onTerminal(nobody.confirmHostKey({ host, keyType, fingerprint }), async (terminal) => {
      terminal.say(
        `The host ${host} is not known yet. It shows a key of type ${keyType} with the fingerprint\n` +
          `  ${fingerprint}\nCompare it with the one that whoever runs the host names.\n`,
      );
      for (;;) {
        const answer = await terminal.ask('Trust it from now on? (yes, no, or the fingerprint) ', true);
        if (answer === undefined || answer === 'no') return false;
        if (answer === 'yes' || answer === fingerprint) return true;
      }
    }),
  ask: (question) =>
    onTerminal(nobody.ask(question), async (terminal) => {
      terminal.say(`${question.again ? 'That was not right. ' : ''}${question.title}\n`);
      const answers: string[] = [];
      for (const { label, echo } of question.fields) {
        const answer = await terminal.ask(`${label}: `, echo);
        if (answer === undefined) return undefined;
        answers.push(answer);
      }
      return answers;
    }),
};

/** One question after the other, though several connections ask at a time. */
let turn: Promise<unknown> = Promise.resolve();

function onTerminal<T>(without: Promise<T>, work: (terminal: Terminal) => Promise<T>): Promise<T> {
  const mine = turn.then(async () => {
    const terminal = Terminal.open();
    if (!terminal) return without;
    try {
      return await work(terminal);
    } finally {
      terminal.close();
    }
  });
  turn = mine.catch(() => {});
  return mine;
}

class Terminal {
  readonly #input: ReadStream;
  readonly #output: NodeJS.WritableStream;
  readonly #isOwn: boolean;

  private constructor(input: ReadStream, output: NodeJS.WritableStream, isOwn: boolean) {
    this.#input = input;
    this.#output = output;
    this.#isOwn = isOwn;
  }

  static open(): Terminal | undefined {
    try {
      const fd = openSync('/dev/tty', 'r+');
      return new Terminal(new ReadStream(fd), new WriteStream(fd), true);
    } catch {
      // No /dev/tty: another system, or a process without a terminal.
    }
    return process.stdin.isTTY && process.stderr.isTTY
      ? new Terminal(process.stdin as ReadStream, process.stderr, false)
      : undefined;
  }

  say(text: string): void {
    this.#output.write(text);
  }

  /** One line; what is typed is shown only with `echo`. @returns `undefined` at ctrl-C, ctrl-D or the end */
  async ask(label: string, echo: boolean): Promise<string | undefined> {
    const input = this.#input;
    input.setRawMode(true);
    input.resume();
    this.say(label);
    const decoder = new StringDecoder('utf8');
    let line: string[] = [];
    try {
      return await new Promise<string | undefined>((resolve) => {
        const done = (answer: string | undefined) => {
          input.off('data', take);
          input.off('end', end);
          resolve(answer);
        };
        const end = () => done(undefined);
        const take = (part: Buffer) => {
          for (const key of decoder.write(part)) {
            if (key === '\r' || key === '\n') return done(line.join(''));
            if (key === '\u0003' || (key === '\u0004' && line.length === 0)) return done(undefined);
            if (key === '\u007f' || key === '\b') {
              if (line.pop() !== undefined && echo) this.say('\b \b');
            } else if (key === '\u0015') {
              if (echo) this.say('\b \b'.repeat(line.length));
              line = [];
            } else if (key >= ' ') {
              line.push(key);
              if (echo) this.say(key);
            }
          }
        };
        input.on('data', take);
        input.once('end', end);
      });
    } finally {
      input.setRawMode(false);
      input.pause();
      this.say('\n');
    }
  }

  close(): void {
    if (this.#isOwn) this.#input.destroy();
  }
}
