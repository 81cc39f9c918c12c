import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { openTransport, withTransport } from '../../src/hosts/transports/index.ts';
import type { Channel, Transport } from '../../src/hosts/transports/transport.ts';
import { descendantsOf, isRunning } from './processes.ts';
import { Client, output, ScriptedPrompter } from './ssh-client.ts';
import { excused, noSshd, noUsers, Sshd } from './sshd.ts';

const sha = (data: Buffer | string) => createHash('sha256').update(data).digest('hex');

describe.skipIf(excused(noSshd))('every transport', () => {
  const client = new Client();
  let sshd: Sshd;
  const open: Transport[] = [];
  beforeAll(async () => {
    sshd = await Sshd.start({ authorized: [client.publicKey], banner: 'Authorised use only\n' });
    client.host('box', sshd).trust(sshd.knownHost());
  });
  afterEach(() => {
    for (const transport of open.splice(0)) transport.close();
  });
  afterAll(async () => {
    client.remove();
    await sshd.stop();
  });

  const connect = async (kind: 'local' | 'ssh2' | 'openssh', ...args: string[]) => {
    const transport = await openTransport(client.profile('box', kind, ...args), new ScriptedPrompter());
    open.push(transport);
    return transport;
  };

  describe.each(['ssh2', 'openssh'] as const)('%s, cancelled', (kind) => {
    const work = (signal: AbortSignal, during: (channel: Channel) => unknown) =>
      withTransport(
        client.profile('box', kind),
        new ScriptedPrompter(),
        async (transport) => {
          const channel = await transport.run(['cat']);
          await during(channel);
          return channel.exit;
        },
        signal,
      );
    const nothingIsLeft = () =>
      expect.poll(() => descendantsOf(sshd.pid).filter(isRunning), { timeout: 30_000 }).toEqual([]);

    it('leaves no connection behind', async () => {
      const controller = new AbortController();
      const cancelled = work(controller.signal, async ({ stdin, stdout }) => {
        stdin.write('hello');
        await once(stdout, 'data');
        expect(descendantsOf(sshd.pid)).not.toEqual([]);
        controller.abort();
      });
      await expect(cancelled).rejects.toThrow('abort');
      await nothingIsLeft();
    });

    it('while a program is being started, leaves no connection behind', async () => {
      const controller = new AbortController();
      await expect(work(controller.signal, () => controller.abort())).rejects.toThrow('abort');
      await nothingIsLeft();
    });

    it('before there is a connection, begins no work on it', async () => {
      const controller = new AbortController();
      let begun = false;
      const cancelled = work(controller.signal, () => {
        begun = true;
      });
      controller.abort();
      await expect(cancelled).rejects.toThrow('abort');
      expect(begun).toBe(false);
      await nothingIsLeft();
    });
  });

  describe.each(['local', 'ssh2', 'openssh'] as const)('%s', (kind) => {
    it('hands on arguments as they are, input, output and the exit code', async () => {
      const transport = await connect(kind);
      const words = [
        'sh',
        '-c',
        'printf "%s|" "$@"; cat; exit 7',
        'sh',
        "it's",
        'a b',
        '$HOME',
        '*',
        '',
        'ü!',
        '\\',
      ];
      const { out, code } = await output(transport, words, 'from here');
      expect(out).toBe("it's|a b|$HOME|*||ü!|\\|from here");
      expect(code).toBe(7);
    });

    it('keeps the end of what a program says on stderr', async () => {
      const transport = await connect(kind);
      const { channel, code } = await output(transport, [
        'sh',
        '-c',
        'seq 100000 >&2; echo last words >&2; exit 3',
      ]);
      expect(code).toBe(3);
      await expect.poll(() => channel.errors()).toMatch(/100000\nlast words\n$/);
      expect(channel.errors().length).toBeLessThanOrEqual(8000);
    });

    it('carries many bytes both ways unharmed, on several channels at once', async () => {
      const transport = await connect(kind);
      const blobs = [3, 5, 1].map((size) => randomBytes(size << 20));
      const answers = await Promise.all(
        blobs.map(async (blob) => {
          const channel = await transport.run(['cat']);
          channel.stdin.end(blob);
          const parts: Buffer[] = [];
          for await (const part of channel.stdout) parts.push(part as Buffer);
          return sha(Buffer.concat(parts));
        }),
      );
      expect(answers).toEqual(blobs.map(sha));
    });

    it('makes a program wait whose output nobody reads', async () => {
      const transport = await connect(kind);
      const channel = await transport.run(['sh', '-c', 'yes | head -c 64000000; echo done >&2']);
      let ended = false;
      channel.exit.then(() => {
        ended = true;
      });
      // Another program runs to its end meanwhile: the connection is not held up.
      for (let i = 0; i < 5; i++) expect((await output(transport, ['echo', 'hello'])).out).toBe('hello\n');
      expect(ended).toBe(false);
      expect((await text(channel.stdout)).length).toBe(64_000_000);
      expect(await channel.exit).toBe(0);
    });

    it('ends a program on request', async () => {
      const transport = await connect(kind);
      const channel = await transport.run(['sh', '-c', 'echo $$; exec sleep 1000']);
      const [line] = await once(channel.stdout, 'data');
      channel.kill();
      expect(await channel.exit).toBeNull();
      if (kind === 'local') expect(isRunning(Number(line))).toBe(false);
    });
  });

  describe.each(['ssh2', 'openssh'] as const)('%s', (kind) => {
    it('ends all its programs without a code when the host cuts the connection, and says why', async () => {
      const transport = await connect(kind);
      const channels = await Promise.all([transport.run(['cat']), transport.run(['sleep', '1000'])]);
      channels[0]!.stdin.write('x');
      await new Promise((resolve) => channels[0]!.stdout.once('data', resolve));
      sshd.killSessions();
      const codes = await Promise.all(channels.map((channel) => channel.exit));
      for (const code of codes) expect([null, 255]).toContain(code);
      for (const [i, channel] of channels.entries())
        expect(transport.explain(channel, codes[i]!)).toMatchObject({ code: 'host' });
      // What is written now fails, it does not wait.
      expect(await new Promise((resolve) => channels[0]!.stdin.write('y', resolve))).toBeInstanceOf(Error);
      await expect(
        transport.run(['true']).then(async (c) => {
          if ((await c.exit) !== 0) throw transport.explain(c, await c.exit);
          throw new Error('it ran');
        }),
      ).rejects.toSatisfy(
        (error: Error) => kind === 'openssh' || (error as { code?: string }).code === 'host',
      );
      expect((await output(await connect(kind), ['echo', 'again'])).out).toBe('again\n');
    });

    it('says so when nothing listens, and works again once the server is back', async () => {
      sshd.halt();
      const attempt = async () => {
        const transport = await connect(kind);
        const channel = await transport.run(['true']);
        const code = await channel.exit;
        if (code !== 0) throw transport.explain(channel, code);
      };
      await expect(attempt()).rejects.toMatchObject({
        code: 'host',
        message: 'Nothing answers on this port of the host',
      });
      await sshd.restart();
      await attempt();
    });

    it('says so when the host has no encryption in common with this client', async () => {
      await sshd.restart(['Ciphers 3des-cbc']);
      await expect(
        connect(kind).then(async (failed) => {
          const channel = await failed.run(['true']);
          throw failed.explain(channel, await channel.exit);
        }),
      ).rejects.toMatchObject({ code: 'login', message: expect.stringContaining('no way of encryption') });
      await sshd.restart();
    });

    it('runs programs beyond what the host allows on one connection', async () => {
      await sshd.restart(['MaxSessions 2']);
      const transport = await connect(kind);
      const channels = [];
      for (let i = 0; i < 5; i++) channels.push(await transport.run(['cat']));
      const answers = channels.map(async (channel, i) => {
        channel.stdin.end(`${i}`);
        return text(channel.stdout);
      });
      expect(await Promise.all(answers)).toEqual(['0', '1', '2', '3', '4']);
      await sshd.restart(['MaxSessions 0']);
      await expect(
        connect(kind).then(async (closed) => {
          const channel = await closed.run(['true']);
          throw closed.explain(channel, await channel.exit);
        }),
      ).rejects.toMatchObject({ code: 'host', message: expect.stringContaining('MaxSessions') });
      await sshd.restart();
    });

    it('reaches a host by ProxyCommand, and leaves none behind', async () => {
      client
        .reset()
        .host('relay', sshd)
        .host('box', sshd, `ProxyCommand ssh -F ${client.config} -W %h:%p relay`);
      const transport = await connect(kind);
      expect((await output(transport, ['echo', 'hello'])).out).toBe('hello\n');
      transport.close();
      client.reset().host('box', sshd, 'ProxyCommand sh -c "echo no way >&2; exit 4"');
      await expect(
        connect(kind).then(async (failed) => {
          const channel = await failed.run(['true']);
          throw failed.explain(channel, await channel.exit);
        }),
      ).rejects.toMatchObject(
        // The system's ssh throws the words of its command away where it keeps connections for others.
        kind === 'ssh2'
          ? { code: 'host', where: expect.stringContaining('no way') }
          : { code: 'host', message: 'The host ended the connection' },
      );
      client.reset().host('box', sshd);
    });

    it('reaches a host over two others, with -J and with ProxyJump', async () => {
      const [first, second] = [await Sshd.start(), await Sshd.start()];
      for (const jump of [first, second]) jump.authorize(client.publicKey);
      client
        .reset()
        .host('first', first)
        .host('second', second)
        .host('far', sshd, 'ProxyJump first,second')
        .host('chained', second, 'ProxyJump first', `HostKeyAlias [127.0.0.1]:${second.port}`)
        .host('farther', sshd, 'ProxyJump chained')
        .host('box', sshd)
        .trust(sshd.knownHost(), first.knownHost(), second.knownHost());
      for (const [name, ...args] of [['far'], ['farther'], ['box', '-J', 'first,second']]) {
        const profile = { ...client.profile(name!, kind, ...args) };
        const transport = await openTransport(profile, new ScriptedPrompter());
        open.push(transport);
        expect((await output(transport, ['sh', '-c', 'echo "$SSH_CONNECTION" | cut -d" " -f4'])).out).toBe(
          `${sshd.port}\n`,
        );
      }
      expect(first.log()).toContain('Accepted publickey');
      expect(second.log()).toContain('Accepted publickey');
      // The last of the way cannot be reached from the one before it.
      client.reset().host('first', first).host('box', sshd, 'ProxyJump first', 'Port 1');
      await expect(
        connect(kind).then(async (failed) => {
          const channel = await failed.run(['true']);
          throw failed.explain(channel, await channel.exit);
        }),
      ).rejects.toMatchObject({ code: 'host' });
      await first.stop();
      await second.stop();
      client.reset().host('box', sshd);
    });
  });
});

describe.skipIf(excused(noUsers))('a program of another user', () => {
  it('is ended on request, with all that it started in its group', async () => {
    const client = new Client();
    const sshd = await Sshd.start({ user: 'throwaway', authorized: [client.publicKey] });
    client.host('box', sshd).trust(sshd.knownHost());
    const transport = await openTransport(client.profile('box'), new ScriptedPrompter());
    const channel = await transport.run(['sh', '-c', 'sleep 1000 & echo $$ $!; wait']);
    const [line] = await once(channel.stdout, 'data');
    const pids = String(line).trim().split(' ').map(Number);
    expect(pids.map(isRunning)).toEqual([true, true]);
    channel.kill();
    expect(await channel.exit).toBeNull();
    await expect.poll(() => pids.map(isRunning), { timeout: 60_000 }).toEqual([false, false]);
    transport.close();
    client.remove();
    await sshd.stop();
  });
});
