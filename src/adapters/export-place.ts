import { ParaError } from '../../remote-agent/src/common/errors.ts';
import type { Translate } from '../../remote-agent/src/common/translate.ts';
import type { HostExport } from '../../remote-agent/src/hosts/remote-adapters.ts';
import type { HostSession } from '../../remote-agent/src/hosts/session.ts';
import type { AdapterSource } from '../../remote-agent/src/protocol/contract/generation.ts';
import type { Hosts } from '../hosts/hosts.ts';
import { thisMachine } from '../hosts/this-machine.ts';
import { isResult, type LibraryAdapter } from './library.ts';

type Exported = ReadonlyMap<string, Uint8Array>;
export type ExportHow = Omit<HostExport, 'base'>;

/** What is asked of the machines there are. */
export type ExportHosts = Pick<Hosts, 'names' | 'status' | 'session' | 'mayConnect' | 'blame'>;

/**
 * Writes an adapter in another tool's layout, at a place that has its base. The adapter lies here, so this machine is
 * asked first, and the host that trained it only where the base is not here: it may be gone.
 * @returns files by name; a single-file layout has the one name `''`
 * @throws ParaError `base` where no machine that is reached has it, `adapter`
 */
export async function exportSomewhere(
  hosts: ExportHosts,
  adapter: LibraryAdapter,
  how: ExportHow,
  t: Translate,
  signal?: AbortSignal,
): Promise<Exported> {
  const { base, file } = adapter;
  if (!base)
    throw new ParaError('adapter', t('The adapter does not say which base it was made for'), { where: file });
  hosts.mayConnect();
  const failures = new Map<string, unknown>();
  for (const place of placesFor(hosts, adapter)) {
    signal?.throwIfAborted();
    const session = await hosts.session(place).catch((cause) => {
      failures.set(place, cause);
      return undefined;
    });
    if (session && (await hasBase(session, base, adapter.info.baseHash)))
      return exportThere(session, place, adapter, { ...how, base });
  }
  throw noPlace(hosts, adapter, failures, t);
}

/** This machine, the host of the run, and hosts that answer anyway. */
function placesFor(hosts: ExportHosts, { run }: LibraryAdapter): string[] {
  const names = hosts.names();
  const likely = [thisMachine, run?.host].filter((name) => name !== undefined && names.includes(name));
  const answering = names.filter((name) => hosts.status(name).at === 'connected');
  return [...new Set([...(likely as string[]), ...answering])];
}

async function hasBase(session: HostSession, base: string, hash: string | undefined): Promise<boolean> {
  const { listHostBases } = await import('../../remote-agent/src/hosts/remote-bases.ts');
  const found = (await listHostBases(session)).find(({ name }) => name === base);
  return found !== undefined && (hash === undefined || found.hash === hash);
}

async function exportThere(
  session: HostSession,
  place: string,
  { run, file }: LibraryAdapter,
  how: HostExport,
): Promise<Exported> {
  const { exportOnHost, putAdapter } = await import('../../remote-agent/src/hosts/remote-adapters.ts');
  const write = async (source: AdapterSource) => (await exportOnHost(session, source, how)).files;
  if (run?.host === place && isResult(run, file))
    try {
      return await write({ job: run.job });
    } catch (cause) {
      // It was deleted there; what came home is as good.
      if (!(cause instanceof ParaError && cause.code === 'run')) throw cause;
    }
  return write(await putAdapter(session, file));
}

function noPlace(
  hosts: ExportHosts,
  { base = '', run }: LibraryAdapter,
  failures: ReadonlyMap<string, unknown>,
  t: Translate,
): ParaError {
  const host = run?.host;
  const cause = host === undefined ? undefined : failures.get(host);
  const where = [...failures].map(([name, why]) => `${name}: ${why instanceof Error ? why.message : why}`);
  const problem = new ParaError('base', t('No machine that is reached has the base of this adapter'), {
    where: [base, ...where].join('; '),
    hint:
      cause === undefined
        ? t('bring the base to this machine with "PaRa: Import Base Model"')
        : t('bring the base to this machine with "PaRa: Import Base Model", or reconnect to {0}', host!),
    ...(cause === undefined ? {} : { cause }),
  });
  if (cause !== undefined) hosts.blame(problem, host!);
  return problem;
}
