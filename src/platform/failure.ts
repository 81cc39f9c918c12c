import { CancellationError, l10n, window } from 'vscode';
import { ParaError } from '../../remote-agent/src/common/errors.ts';
import { redact } from '../../remote-agent/src/common/redact.ts';
import type { Log } from './log.ts';
import { told } from './told.ts';

/** Whether somebody wanted this to end: no error. */
export const isCancelled = (cause: unknown): boolean =>
  cause instanceof CancellationError ||
  (cause instanceof ParaError && cause.code === 'cancelled') ||
  (cause instanceof Error && cause.name === 'AbortError');

/** What is wrong, in one paragraph: what, where, what to do. */
export function describe(cause: unknown): string {
  if (!(cause instanceof ParaError)) return cause instanceof Error ? cause.message : String(cause);
  const { where } = cause;
  const [message, hint] = [told(cause.message), told(cause.hint ?? '')];
  return [where ? `${message} (${where}).` : `${message}.`, hint ? `${capital(hint)}.` : '']
    .join(' ')
    .trim()
    .replace(/([.?!])\.$/, '$1');
}

const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);

/** A way out that is offered beside an error. */
export interface Remedy {
  readonly title: string;
  run(): unknown;
}

/** Writes failures to the log and shows them. The editor itself shows the same message once at a time. */
export class Failures {
  /** Those that wait for an answer: one dialog for each. */
  readonly #asked = new Set<string>();

  constructor(
    readonly log: Log,
    /** Ways out that go with a failure. */
    readonly remedies: (cause: ParaError) => readonly Remedy[] = () => [],
  ) {}

  async show(cause: unknown): Promise<void> {
    if (isCancelled(cause)) return;
    const text = redact(describe(cause));
    this.log.error(text);
    // Where it was found says nothing to whoever can mend it; elsewhere it is all there is to go by.
    if (cause instanceof ParaError) this.log.debug(cause.stack ?? '');
    else if (cause instanceof Error && cause.stack) this.log.error(cause.stack);
    const asks = cause instanceof ParaError && cause.code === 'host-key';
    if (asks && this.#asked.has(text)) return;
    if (asks) this.#asked.add(text);
    try {
      const showLog: Remedy = { title: l10n.t('Show Log'), run: () => this.log.show() };
      const ways = [...(cause instanceof ParaError ? this.remedies(cause) : []), showLog];
      const titles = ways.map(({ title }) => title);
      const chosen = asks ? await answered(cause, titles) : await window.showErrorMessage(text, ...titles);
      await ways.find(({ title }) => title === chosen)?.run();
    } finally {
      this.#asked.delete(text);
    }
  }
}

/** Somebody may be in between: that is no message to wave away. It is there until one of its buttons is pressed. */
async function answered(cause: ParaError, titles: readonly string[]): Promise<string | undefined> {
  const stay = l10n.t('Do Not Connect');
  // What Escape presses; the editor would call it Cancel.
  const again = { title: l10n.t('Read It Again'), isCloseAffordance: true };
  // Fingerprints are compared more easily where they stand below each other.
  const where = cause.where?.replaceAll(', ', ',\n');
  const detail = redact([where, capital(told(cause.hint ?? ''))].filter(Boolean).join('\n\n'));
  for (;;) {
    const items = [...[stay, ...titles].map((title) => ({ title })), again];
    const chosen = await window.showErrorMessage(told(cause.message), { modal: true, detail }, ...items);
    if (chosen && chosen.title !== again.title) return chosen.title === stay ? undefined : chosen.title;
  }
}
