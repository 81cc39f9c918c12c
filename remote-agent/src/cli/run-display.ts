import type { LoggedEvent } from '../jobs/event-log.ts';
import type { TrainSpec } from '../subject/train-spec.ts';
import { Progress, say } from './output.ts';

/** What changing between sizes of pictures took, of a run that is over. */
export function sizeChangesText({ seconds, sizeChanges }: LoggedEvent & { type: 'finished' }): string {
  const { count = 0, seconds: taken = 0 } = sizeChanges ?? {};
  return `changed ${count === 1 ? 'once' : `${count} times`} between sizes of pictures: ${taken.toFixed(1)} s of ${seconds.toFixed(1)} (${Math.round((100 * taken) / seconds)} %)`;
}

/** Shows the events of one run as they come: a bar for its steps, lines for what it has to say. */
export class RunDisplay {
  readonly #label: string;
  readonly #steps: number;
  readonly #json: boolean;
  #bar: Progress | undefined;
  /** That the bar is for, where it is not for steps. */
  #file: string | undefined;
  /** The last error it told. */
  error: (LoggedEvent & { type: 'error' }) | undefined;

  constructor(spec: TrainSpec, json = false) {
    this.#label = `${spec.subject} ${spec.method.name.padEnd(4)}`;
    this.#steps = spec.training.steps;
    this.#json = json;
  }

  show = (event: LoggedEvent): void => {
    if (event.type === 'error') this.error = event;
    if (event.type === 'resumed' || event.type === 'started') this.error = undefined;
    if (this.#json) say(JSON.stringify(event));
    else if (event.type === 'step') {
      this.#bar ??= new Progress(this.#label, this.#steps, event.step - 1);
      this.#bar.update(event.step, `loss ${(event.smoothedLoss ?? Number.NaN).toFixed(4)}`);
    } else if (event.type === 'note') this.say(event.message);
    else if (event.type === 'finished' && event.sizeChanges) this.say(sizeChangesText(event));
  };

  /** Files that are long on their way when the run is over; a bar for each of more than a moment. */
  fetching(file: string, done: number, size: number): void {
    if (this.#json || size < 4e6) return;
    if (this.#file !== file) {
      this.stop();
      this.#bar = new Progress(`fetch ${file}`, size, done, 'bytes');
      this.#file = file;
    }
    this.#bar?.update(done);
  }

  /** A line between the bar's redrawings. */
  say(line: string): void {
    if (this.#json) return;
    this.stop();
    say(line);
  }

  /** Ends the bar; a later step begins a new one. */
  stop(): void {
    this.#bar?.stop();
    this.#bar = undefined;
    this.#file = undefined;
  }
}
