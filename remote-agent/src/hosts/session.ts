import { hostname, userInfo } from 'node:os';
import { type ErrorCode, ParaError } from '../common/errors.ts';
import { ClientEnd, RequestError } from '../protocol/connection.ts';
import type { Method, NoticeParams, Params, Result } from '../protocol/contract.ts';
import { printable } from '../protocol/printable.ts';
import { agree, oldestProtocol, protocolVersion } from '../protocol/version.ts';
import { BlobClient, BlobLine } from './blob-client.ts';
import type { HostProfile } from './profiles.ts';
import { nobody, type Prompter } from './prompter.ts';
import { openTransport } from './transports/index.ts';
import type { Channel, Transport } from './transports/transport.ts';

/** Time for a login and the start of the agent, in ms. */
const startLimit = 60_000;
const pingEvery = 15_000;
/** Longer than a stall that a link survives. */
const pingLimit = 45_000;

/** Who asks, so that the jobs of several machines take turns on a host. */
const clientName = () => `${userInfo().username}@${hostname()}`.slice(0, 200);

/** Words that start the installed agent; the host's shell never sees a path made of input. */
const agentWords = ({ root, agent }: HostProfile, command: string) => [
  ...(agent?.words ?? ['sh', `${root}/agent/current/para-agent`]),
  command,
];

type EventsNotice = NoticeParams<'events'>;

/** One connection to the agent of a host. */
export class HostSession {
  readonly #timer: NodeJS.Timeout;
  readonly #blobs = this.blobLine();
  readonly #handlers = new Map<number, (notice: EventsNotice) => void>();

  private constructor(
    readonly profile: HostProfile,
    readonly transport: Transport,
    readonly channel: Channel,
    readonly client: ClientEnd,
    readonly home: string,
    readonly notes: readonly string[],
    /** Version that both ends speak. */
    readonly protocol: number,
  ) {
    this.#timer = setInterval(() => {
      client.call('ping', {}, pingLimit).catch(() => this.close());
    }, pingEvery);
    this.#timer.unref();
    client.on(
      'events',
      (notice) => this.#handlers.get(notice.subscription)?.(notice),
      (problem) => {
        this.#problem ??= new ParaError('protocol', 'Events of the host are not understood', {
          where: `${profile.name}: ${printable(problem)}`,
          hint: `update this program, or install its agent again: para host install ${profile.name}`,
        });
        this.close();
      },
    );
    this.closed = Promise.race([client.closed, channel.exit]).then(() => {});
  }

  /** Resolves when the connection is over, whoever ended it. */
  readonly closed: Promise<void>;
  #problem: ParaError | undefined;

  /** Why it is over. */
  lost(): ParaError {
    const { breach } = this.client;
    if (breach) return asParaError(breach, this.profile) as ParaError;
    const said = printable(this.channel.errors().trim().slice(-300));
    return (
      this.#problem ??
      new ParaError('host', 'The connection to the host was lost', {
        where: said ? `${this.profile.name}: ${said}` : this.profile.name,
      })
    );
  }

  /**
   * Hears of a job's events from a number on.
   * @param onRestart called before the first event where the host tells all of them again
   */
  async subscribe(
    id: string,
    position: { readonly fromSeq: number; readonly last?: string },
    handler: (notice: EventsNotice) => void,
    onRestart: () => void,
  ): Promise<() => void> {
    const { subscription, restarted } = await this.call('events/subscribe', { id, ...position });
    if (restarted) onRestart();
    this.#handlers.set(subscription, handler);
    return () => {
      this.#handlers.delete(subscription);
      this.call('events/unsubscribe', { subscription }).catch(() => {});
    };
  }

  /** @throws ParaError `host` when the host is not reached or has no agent, `protocol` when the versions part */
  static async open(profile: HostProfile, prompter: Prompter = nobody): Promise<HostSession> {
    const transport = await openTransport(profile, prompter);
    const channel = await transport.run(agentWords(profile, 'serve'));
    const client = new ClientEnd(channel.stdout, channel.stdin);
    let timer: NodeJS.Timeout | undefined;
    try {
      const late = new Promise<'late'>((resolve) => {
        timer = setTimeout(() => resolve('late'), startLimit);
      });
      const started = client.started.then(() => 'started' as const);
      const givenUp = client.closed.then(() => {
        if (client.breach) throw client.breach;
        return channel.exit;
      });
      const first = await Promise.race([started, givenUp, channel.exit, late]);
      if (first === 'late')
        throw new ParaError('host', 'The agent on the host does not begin to speak', {
          where: `${profile.name}: ${client.banner.trim()}`,
          hint: 'does a start-up file of the shell there wait for input?',
        });
      if (first !== 'started') throw failedStart(profile, transport, channel, first);
      const hello = await client.call('handshake', {
        newest: protocolVersion,
        oldest: oldestProtocol,
        client: clientName(),
      });
      const protocol = agree(hello);
      if (protocol === undefined)
        throw new ParaError('protocol', 'The agent on the host speaks another protocol', {
          where: `${profile.name}: agent ${hello.agent}`,
          hint: `para host install ${profile.name}`,
        });
      return new HostSession(profile, transport, channel, client, hello.home, hello.notes, protocol);
    } catch (cause) {
      client.close();
      channel.kill();
      transport.close();
      throw asParaError(cause, profile);
    } finally {
      clearTimeout(timer);
    }
  }

  async call<M extends Method>(method: M, params: Params<M>): Promise<Result<M>> {
    try {
      return await this.client.call(method, params);
    } catch (cause) {
      throw asParaError(cause, this.profile);
    }
  }

  /** The second channel, for bytes; opened anew after it failed. */
  blobs(): Promise<BlobClient> {
    return this.#blobs.get();
  }

  /** A channel for bytes of one's own: whoever breaks off his transfers there breaks off nobody else's. */
  blobLine(): BlobLine {
    return new BlobLine(
      async () =>
        new BlobClient(
          await this.transport.run(agentWords(this.profile, 'blobs')),
          this.profile.name,
          this.protocol,
        ),
    );
  }

  close(): void {
    clearInterval(this.#timer);
    this.#blobs.close();
    this.client.close();
    this.channel.kill();
    this.transport.close();
  }
}

function failedStart(
  profile: HostProfile,
  transport: Transport,
  channel: Channel,
  code: number | null,
): ParaError {
  const said = channel.errors();
  if (code === 127 || code === 126 || (code === 2 && /para-agent/.test(said)))
    return new ParaError('agent', 'The agent is not installed on this host', {
      where: profile.name,
      hint: `para host install ${profile.name}`,
    });
  return transport.explain(channel, code);
}

/** An error of the other end or of the way, as one of the house. */
export function asParaError(cause: unknown, profile: HostProfile): unknown {
  if (!(cause instanceof RequestError)) return cause;
  const { code, what, where, hint } = cause.failure;
  const how = cause.mayHaveHappened
    ? 'the request may have been carried out; sending it again does no harm'
    : undefined;
  const advice = [hint, how].filter((text) => text !== undefined).join('; ');
  return new ParaError(code as ErrorCode, printable(what), {
    where: `${profile.name}${where ? `: ${printable(where)}` : ''}`,
    ...(advice ? { hint: printable(advice) } : {}),
    cause,
  });
}
