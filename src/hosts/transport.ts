import type { ParaError } from '../../remote-agent/src/common/errors.ts';
import type { HostProfile } from '../../remote-agent/src/hosts/profiles.ts';

/** Whether a failure says that the system's own `ssh` would do better with a host than the client of this extension. */
export const wantsOpenSsh = ({ transport }: HostProfile, failure: ParaError | undefined): boolean =>
  transport === 'ssh2' && (failure?.hint?.includes('transport "openssh"') ?? false);
