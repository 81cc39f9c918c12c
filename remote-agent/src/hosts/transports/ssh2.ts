import { type Readable, Writable } from 'node:stream';
import type { ClientChannel } from 'ssh2';
import { ParaError } from '../../common/errors.ts';
import type { HostProfile } from '../profiles.ts';
import type { Prompter } from '../prompter.ts';
import { shellLine } from '../quote.ts';
import { type Link, openLink } from '../ssh/link.ts';
import { hostError } from './explain.ts';
import type { Channel, Transport } from './transport.ts';

/** Our own SSH client. Channels share one connection; where the host allows too few on one, further ones are opened. */
export class Ssh2Transport implements Transport {
  readonly #profile: HostProfile;
  readonly #prompter: Prompter;
  #links: Link[];
  #lost: Error | undefined;
  #isClosed = false;

  private constructor(profile: HostProfile, prompter: Prompter, first: Link) {
    this.#profile = profile;
    this.#prompter = prompter;
    this.#links = [];
    this.#keep(first);
  }

  /** @throws ParaError `login` where trying again cannot help, `host` where it may */
  static async connect(profile: HostProfile, prompter: Prompter): Promise<Ssh2Transport> {
    return new Ssh2Transport(profile, prompter, await open(profile, prompter));
  }

  #keep(link: Link): void {
    this.#links.push(link);
    link.lost.then((reason) => {
      this.#lost = reason ?? this.#lost;
      this.#links = this.#links.filter((other) => other !== link);
    });
  }

  async run(words: readonly string[]): Promise<Channel> {
    const line = shellLine(words);
    for (const link of [...this.#links].reverse()) {
      const channel = await start(link, line, this.#profile);
      if (channel !== 'full') return channel;
    }
    if (this.#links.length === 0)
      throw hostError(this.#profile, this.#lost?.message ?? 'Connection closed', null);
    // The host allows no more programs on these connections: a further one has room again.
    const link = await open(this.#profile, this.#prompter);
    if (this.#isClosed) link.close();
    this.#keep(link);
    const channel = await start(link, line, this.#profile);
    if (channel !== 'full') return channel;
    link.close();
    throw new ParaError('host', 'The host opens no program at all (MaxSessions of its sshd)', {
      where: this.#profile.name,
      hint: 'have MaxSessions raised to 1 at least, better 10',
    });
  }

  explain(channel: Channel, code: number | null): ParaError {
    const said = channel.errors() || (code === null ? (this.#lost?.message ?? '') : '');
    return hostError(this.#profile, said, code, this.#lost);
  }

  close(): void {
    this.#isClosed = true;
    for (const link of this.#links) link.close();
  }
}

async function open(profile: HostProfile, prompter: Prompter): Promise<Link> {
  try {
    return await openLink(profile.target!, profile.sshArguments ?? [], prompter);
  } catch (cause) {
    if (cause instanceof ParaError) throw cause;
    // Several addresses of one name fail as one error without words of its own.
    const each = cause instanceof AggregateError ? cause.errors.map((e: Error) => e.message).join('; ') : '';
    throw hostError(profile, each || (cause as Error).message, null, cause);
  }
}

/** Starts a command line; "full" where the host refuses a further channel on this connection. */
function start(link: Link, line: string, profile: HostProfile): Promise<Channel | 'full'> {
  return new Promise((resolve, reject) => {
    link.lost.then((reason) =>
      reject(hostError(profile, reason?.message ?? 'Connection closed', null, reason)),
    );
    try {
      link.client.exec(line, (error, stream) => {
        if (!error) resolve(channelOf(stream, link));
        else if (/open fail/i.test(error.message)) resolve('full');
        else reject(hostError(profile, error.message, null, error));
      });
    } catch (cause) {
      reject(hostError(profile, 'Connection closed', null, cause));
    }
  });
}

function channelOf(stream: ClientChannel, link: Link): Channel {
  let said = '';
  stream.stderr.on('data', (part: Buffer) => {
    said = (said + part.toString()).slice(-8000);
  });
  // ssh2 never answers a write to a channel that is gone: the writer in front of it fails instead of waiting.
  const stdin = new Writable({
    highWaterMark: 1 << 16,
    write: (part, encoding, done) => {
      stream.write(part, encoding, done);
    },
    final: (done) => {
      stream.end();
      done();
    },
  });
  stdin.on('error', () => {});
  stream.on('error', () => {});
  let tellExit: (code: number | null) => void = () => {};
  const exit = new Promise<number | null>((resolve) => {
    tellExit = resolve;
  });
  const over = () => {
    tellExit(null);
    stdin.destroy();
  };
  stream.on('exit', tellExit);
  stream.on('close', over);
  link.lost.then(over);
  return {
    stdin,
    stdout: stream as Readable,
    errors: () => said,
    exit,
    kill: () => {
      stream.signal('KILL');
      stream.close();
      // The host closes its end only once the program is gone, which may not heed the signal.
      stream.push(null);
      over();
    },
  };
}
