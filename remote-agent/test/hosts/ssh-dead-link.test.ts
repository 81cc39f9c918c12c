import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openTransport } from '../../src/hosts/transports/index.ts';
import { Client, ScriptedPrompter } from './ssh-client.ts';
import { excused, noSshd, Sshd } from './sshd.ts';

/** A wire to a server that can be held still: bytes stay in it and nobody is told. */
class Wire {
  readonly #pairs: [Socket, Socket][] = [];
  readonly #server: Server;
  port = 0;
  still = false;

  constructor(to: number) {
    this.#server = createServer((near) => {
      const far = connect(to, '127.0.0.1');
      for (const socket of [near, far]) socket.on('error', () => {});
      this.#pairs.push([near, far]);
      for (const [from, into] of [
        [near, far],
        [far, near],
      ] as const) {
        from.on('data', (part) => into.write(part));
        from.on('close', () => !this.still && into.destroy());
      }
      if (this.still) this.hold();
    });
  }

  async open(): Promise<this> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    this.port = (this.#server.address() as { port: number }).port;
    return this;
  }

  hold(): void {
    this.still = true;
    for (const sockets of this.#pairs) for (const socket of sockets) socket.pause();
  }

  /** Nothing goes to the server any more; what it says comes. */
  holdUpward(): void {
    for (const [near] of this.#pairs) near.pause();
  }

  release(): void {
    this.still = false;
    for (const sockets of this.#pairs) for (const socket of sockets) socket.resume();
  }

  close(): void {
    this.#server.close();
    for (const sockets of this.#pairs) for (const socket of sockets) socket.destroy();
  }
}

describe.skipIf(excused(noSshd)).each(['ssh2', 'openssh'] as const)(
  'a link that dies without a word, over %s',
  (kind) => {
    const client = new Client();
    let sshd: Sshd;
    let wire: Wire;
    beforeAll(async () => {
      sshd = await Sshd.start({ authorized: [client.publicKey] });
    });
    beforeEach(async () => {
      wire = await new Wire(sshd.port).open();
      const lines = [
        `Port ${wire.port}`,
        `HostKeyAlias box`,
        'ServerAliveInterval 1',
        'ServerAliveCountMax 2',
      ];
      const [type, key] = sshd.hostKey().split(' ');
      client
        .reset()
        .host('box', sshd, ...lines, 'ConnectTimeout 2')
        .trust(`box ${type} ${key}`);
    });
    afterAll(async () => {
      client.remove();
      await sshd.stop();
    });
    /** Why the host is not reached: the system's ssh says so only when a program is to run. */
    const refusal = async () => {
      const transport = await open();
      const channel = await transport.run(['true']);
      throw transport.explain(channel, await channel.exit);
    };
    const open = () => openTransport(client.profile('box', kind), new ScriptedPrompter());

    it('is given up after the signs of life stay out, and its programs end', async () => {
      const transport = await open();
      const channel = await transport.run(['cat']);
      wire.hold();
      const begun = Date.now();
      const code = await channel.exit;
      expect([null, 255]).toContain(code);
      expect(Date.now() - begun).toBeGreaterThan(2000);
      expect(transport.explain(channel, code)).toMatchObject({
        code: 'host',
        message: 'The host cannot be reached',
      });
      wire.close();
    });

    it('lives on after a stall that is shorter, with no byte lost', async () => {
      const transport = await open();
      const channel = await transport.run(['cat']);
      wire.hold();
      channel.stdin.write('held');
      await new Promise((resolve) => setTimeout(resolve, 1200));
      wire.release();
      expect(String((await once(channel.stdout, 'data'))[0])).toBe('held');
      channel.stdin.end();
      expect(await channel.exit).toBe(0);
      transport.close();
      wire.close();
    });

    it('lives while bytes come, though signs of life are not answered', async () => {
      const transport = await open();
      const channel = await transport.run([
        'sh',
        '-c',
        'for i in 1 2 3 4 5 6 7 8; do echo $i; sleep 1; done',
      ]);
      await once(channel.stdout, 'readable');
      wire.holdUpward(); // signs of life of ours are not answered
      let lines = 0;
      for await (const part of channel.stdout) {
        lines += String(part).split('\n').length - 1;
        if (lines === 7) wire.release();
      }
      expect(lines).toBe(8);
      transport.close();
      wire.close();
    });

    it('is given up while it is being opened too', async () => {
      wire.still = true;
      await expect(refusal()).rejects.toMatchObject({ code: 'host', message: 'The host cannot be reached' });
      wire.close();
    });

    it('waits for an answer as long as somebody thinks about it', async () => {
      client.trust();
      const slow = new ScriptedPrompter(true);
      const patient = {
        ask: slow.ask.bind(slow),
        confirmHostKey: async (question: Parameters<typeof slow.confirmHostKey>[0]) => {
          await new Promise((resolve) => setTimeout(resolve, 3000)); // longer than ConnectTimeout
          return slow.confirmHostKey(question);
        },
      };
      const transport = await openTransport(client.profile('box', kind), patient);
      const channel = await transport.run(['true']);
      expect(await channel.exit).toBe(0);
      expect(slow.hostKeys).toHaveLength(1);
      transport.close();
      wire.close();
    });

    it('is no SSH server at all: that is said', async () => {
      const web = createServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
      web.listen(0, '127.0.0.1');
      await once(web, 'listening');
      client.reset().host('box', sshd, `Port ${(web.address() as { port: number }).port}`);
      await expect(refusal()).rejects.toMatchObject({
        code: 'host',
        message: 'The host ended the connection',
      });
      web.close();
      wire.close();
    });
  },
);
