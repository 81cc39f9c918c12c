import { env } from 'vscode';
import { methodName } from '../../platform/format.ts';
import type { Run } from '../run.ts';

const minute = new Intl.DateTimeFormat(env.language, {
  ...{ month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit' },
  hourCycle: 'h23',
});

/**
 * What the tab of a run is called. It is the same on every day: a tab that was not looked at since the window was
 * opened is known by it alone.
 */
export const tabTitle = ({
  subject,
  method,
  createdAt,
}: Pick<Run, 'subject' | 'method' | 'createdAt'>): string =>
  `${subject} \u00b7 ${methodName(method)}, ${minute.format(new Date(createdAt))}`;
