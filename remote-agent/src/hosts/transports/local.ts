import { homedir } from 'node:os';
import { ParaError } from '../../common/errors.ts';
import { startChild } from './child.ts';
import type { Channel, Transport } from './transport.ts';

/** This machine as a host: the same agent in child processes. */
export class LocalTransport implements Transport {
  /** @param env environment of the programs; default: that of this one */
  constructor(readonly env: NodeJS.ProcessEnv = process.env) {}

  async run(words: readonly string[]): Promise<Channel> {
    return startChild(words[0]!, words.slice(1), { cwd: homedir(), env: this.env });
  }

  explain(channel: Channel, code: number | null): ParaError {
    return new ParaError('host', `The program ended at once (${code ?? 'killed'})`, {
      where: channel.errors().trim(),
    });
  }

  close(): void {}
}
