import { homedir } from 'node:os';
import { ParaError } from '../../common/errors.ts';
import { startChild } from './child.ts';
import type { Channel, Transport } from './transport.ts';

/** This machine as a host: the same agent in child processes. */
export class LocalTransport implements Transport {
  async run(words: readonly string[]): Promise<Channel> {
    return startChild(words[0]!, words.slice(1), { cwd: homedir() });
  }

  explain(channel: Channel, code: number | null): ParaError {
    return new ParaError('host', `The program ended at once (${code ?? 'killed'})`, {
      where: channel.errors().trim(),
    });
  }

  close(): void {}
}
