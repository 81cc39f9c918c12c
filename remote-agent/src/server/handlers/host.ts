import { dirname } from 'node:path';
import { ParaError } from '../../common/errors.ts';
import { runsFolder } from '../../jobs/job.ts';
import { waitingJobs } from '../../jobs/queue.ts';
import { kick } from '../../jobs/supervisor.ts';
import type { hostRequests } from '../../protocol/contract/host.ts';
import { agree, oldestProtocol, protocolVersion } from '../../protocol/version.ts';
import { hostFacts } from '../facts.ts';
import type { HandlersOf, ServerContext } from './context.ts';

export const hostHandlers = ({ version, bundle }: ServerContext): HandlersOf<typeof hostRequests> => ({
  handshake: (theirs) => {
    if (agree(theirs) === undefined)
      throw new ParaError('protocol', `This program and the agent on the host share no protocol version`, {
        where: `agent ${version}: ${oldestProtocol} to ${protocolVersion}; client: ${theirs.oldest} to ${theirs.newest}`,
        hint:
          theirs.newest < oldestProtocol
            ? 'update this program'
            : 'install its agent on the host: para host install NAME',
      });
    const before = waitingJobs().length;
    kick(bundle);
    const notes = before > 0 ? [`${before} jobs were waiting; the queue is running`] : [];
    const home = dirname(runsFolder());
    return { newest: protocolVersion, oldest: oldestProtocol, agent: version, home, notes };
  },
  ping: () => ({}),
  'host/facts': () => hostFacts(version),
});
