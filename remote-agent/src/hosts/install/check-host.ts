import { ParaError } from '../../common/errors.ts';
import type { HostProfile } from '../profiles.ts';
import type { Prompter } from '../prompter.ts';
import { withTransport } from '../transports/index.ts';
import { type CheckRow, checkRows, failureRows, onTerminal, type Wording } from './check.ts';
import type { HostPackage } from './package.ts';
import { probeHost } from './probe.ts';
import { findRegistries } from './registries.ts';

/**
 * Looks at a host: what it is, and what it lacks for `own`. One that is not reached is a finding too.
 * @returns what was found, and why it was not reached where it was not
 * @throws ParaError `settings` for what is no URL of a registry; the signal's reason
 */
export async function checkHost(
  profile: HostProfile,
  own: HostPackage,
  prompter: Prompter,
  { signal, wording = onTerminal }: { readonly signal?: AbortSignal; readonly wording?: Wording } = {},
): Promise<{ readonly rows: CheckRow[]; readonly failure?: ParaError }> {
  const registries = findRegistries(profile.install ?? {});
  try {
    const probe = await withTransport(
      profile,
      prompter,
      (transport) => probeHost(transport, profile.root, registries),
      signal,
    );
    return { rows: checkRows(probe, own, profile, registries, wording) };
  } catch (cause) {
    if (!(cause instanceof ParaError)) throw cause;
    return { rows: failureRows(cause, wording), failure: cause };
  }
}
