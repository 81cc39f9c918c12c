import { dirname } from 'node:path';
import { ParaError } from '../../common/errors.ts';
import { chooseDevice, deviceFindings } from '../../jobs/device-probe.ts';
import { runsFolder } from '../../jobs/job.ts';
import { type Kick, kick } from '../../jobs/kick.ts';
import { loginAdvice, loginRules } from '../../jobs/login.ts';
import type { hostRequests } from '../../protocol/contract/host.ts';
import { agree, oldestProtocol, protocolVersion } from '../../protocol/version.ts';
import { diagnostics, networkFileSystem } from '../diagnostics.ts';
import { hostFacts } from '../facts.ts';
import type { HandlersOf, ServerContext } from './context.ts';

/** What an agent did for the queue when its client came, in words. */
export function kickNotes({ interrupted, started, waiting, orphaned }: Kick): string[] {
  return [
    ...interrupted.map(
      (id) => `the host was restarted while job "${id}" ran: it is interrupted, resume it to go on`,
    ),
    ...(orphaned.length > 0 && started.length > 0
      ? ['a running job had lost its supervisor and has a new one']
      : []),
    ...(waiting.length > 0 && started.length > 0
      ? [
          `${waiting.length === 1 ? 'a job was' : `${waiting.length} jobs were`} waiting and nothing ran them: the queue runs again`,
        ]
      : []),
  ];
}

/** Starts what waits. A full disk keeps nobody out: whoever comes may be coming to make room. */
async function lookAfterQueue(bundle: string): Promise<string[]> {
  try {
    return kickNotes(await kick(bundle));
  } catch (cause) {
    if (!(cause instanceof ParaError)) throw cause;
    return [`the queue could not be looked after: ${cause.message}`];
  }
}

const present = (notes: readonly (string | undefined)[]) => notes.filter((note) => note !== undefined);

export function hostHandlers(context: ServerContext): HandlersOf<typeof hostRequests> {
  const { version, bundle } = context;
  const standing = async () => present([networkFileSystem(), loginAdvice(await loginRules())]);
  return {
    handshake: async (theirs) => {
      if (agree(theirs) === undefined)
        throw new ParaError('protocol', `This program and the agent on the host share no protocol version`, {
          where: `agent ${version}: ${oldestProtocol} to ${protocolVersion}; client: ${theirs.oldest} to ${theirs.newest}`,
          hint:
            theirs.newest < oldestProtocol
              ? 'update this program'
              : 'install its agent on the host: para host install NAME',
        });
      context.greet(theirs.client);
      const notes = [...(await lookAfterQueue(bundle)), ...(await standing())];
      const home = dirname(runsFolder());
      return { newest: protocolVersion, oldest: oldestProtocol, agent: version, home, notes };
    },
    ping: () => ({}),
    'host/facts': () => hostFacts(version),
    'host/devices': async () => {
      const { findings, ...chosen } = chooseDevice(await deviceFindings());
      return { ...chosen, findings: [...findings] };
    },
    'host/diagnostics': async () => diagnostics(version, await standing()),
  };
}
