import type { Disposable, LogOutputChannel } from 'vscode';
import { redact } from '../../remote-agent/src/common/redact.ts';

/** The log of the extension: the editor's output channel says what level is written. */
export type Log = Pick<LogOutputChannel, 'debug' | 'info' | 'warn' | 'error' | 'show'>;

/** A log over an output channel that lets no secret through: hosts and programs put what they like into messages. */
export const redactedLog = (channel: LogOutputChannel): Log & Disposable => ({
  debug: (message) => channel.debug(redact(message)),
  info: (message) => channel.info(redact(message)),
  warn: (message) => channel.warn(redact(message)),
  error: (message) => channel.error(redact(String(message))),
  show: () => channel.show(),
  dispose: () => channel.dispose(),
});
