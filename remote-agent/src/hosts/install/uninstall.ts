import { ParaError } from '../../common/errors.ts';
import { printable } from '../../protocol/printable.ts';
import type { Transport } from '../transports/transport.ts';
import { uninstallScript } from './scripts.ts';
import { runScript } from './shell.ts';

/** What an uninstallation met: it removed everything, found nothing, or waits for a yes because of what is there. */
export type Uninstalled =
  | { readonly outcome: 'removed' }
  | { readonly outcome: 'nothing'; readonly why: string }
  | { readonly outcome: 'ask'; readonly jobs: number; readonly running: number };

/**
 * Removes the agent's folder on a host, and nothing else; processes that run from it are ended first.
 * @param sure do it though there are jobs, whose results go with it
 * @throws ParaError `host` when it could not be removed
 */
export async function uninstallAgent(
  transport: Transport,
  host: { readonly name: string; readonly root: string },
  sure: boolean,
): Promise<Uninstalled> {
  const lines: string[] = [];
  const { errors } = await runScript(transport, uninstallScript, [host.root, sure ? 'yes' : ''], (line) => {
    lines.push(line);
  });
  const last = lines.at(-1) ?? '';
  if (last === 'removed') return { outcome: 'removed' };
  if (last === 'kept ask first') {
    const jobs = Number(/^jobs\s+([0-9]+)/.exec(lines[0] ?? '')?.[1] ?? 0);
    return { outcome: 'ask', jobs, running: lines.filter((line) => line.startsWith('running ')).length };
  }
  if (last.startsWith('kept ')) return { outcome: 'nothing', why: printable(last.slice('kept '.length)) };
  throw new ParaError('host', 'The folder on the host could not be removed', {
    where: `${host.name}: ${printable(errors.trim().slice(-400)) || host.root}`,
  });
}
