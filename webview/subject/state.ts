import { signal } from '@preact/signals';
import { type SubjectView, subjectContract } from '../contract/subject.ts';
import { connect, RequestFailure, uiState } from '../ui/host.ts';

/** Where one looks: outlives hiding and reloading. */
interface Ui {
  /** Outlines of the parts that training shows. */
  readonly crops: boolean;
  /** Groups of settings that are unfolded, by label. */
  readonly open: readonly string[];
}

const fallback: Ui = { crops: true, open: [] };
export const ui = signal(uiState.read(fallback));

export function look(change: Partial<Ui>): void {
  ui.value = { ...ui.value, ...change };
  uiState.write(ui.value);
}

export const view = signal<SubjectView | undefined>(undefined);
/** What went wrong last. */
export const failure = signal('');
/** What was done last, for readers of the screen. */
export const said = signal('');

export const host = connect(subjectContract, {
  changed: (changed) => {
    view.value = changed;
  },
});

export async function open(): Promise<void> {
  await attempt(async () => {
    view.value = await host.call('open', {});
  });
}

/** Does something, and shows why where it cannot be done. */
export async function attempt(work: () => Promise<unknown>): Promise<void> {
  failure.value = '';
  try {
    await work();
  } catch (cause) {
    if (!(cause instanceof RequestFailure && cause.cancelled)) failure.value = (cause as Error).message;
  }
}

/** Whether what can be folded away is in sight. */
export const isOpen = (what: string): boolean => ui.value.open.includes(what);

export function setOpen(what: string, open: boolean): void {
  if (open === isOpen(what)) return;
  const rest = ui.value.open.filter((one) => one !== what);
  look({ open: open ? [...rest, what] : rest });
}
