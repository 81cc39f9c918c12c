import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nobody, type Prompter } from '../../src/hosts/prompter.ts';
import { openTransport } from '../../src/hosts/transports/index.ts';
import { descendantsOf, wordsOf } from './processes.ts';
import { Client, output, ScriptedPrompter } from './ssh-client.ts';
import { excused, fingerprint, makeKey, noSshd, noUsers, Sshd, type SshdOptions } from './sshd.ts';

/** A folder of our own for sockets: other tests run beside this one. */
const temporary = mkdtempSync(join(tmpdir(), 'p'));
process.env.TMPDIR = temporary;
const sockets = join(temporary, `para-ssh-${userInfo().uid}`);
const left = () => (existsSync(sockets) ? readdirSync(sockets) : []);
afterAll(() => rmSync(temporary, { recursive: true, force: true }));

/** Runs a program over the system's ssh; fails as a session does. */
async function login(client: Client, prompter: Prompter): Promise<void> {
  const transport = await openTransport(client.profile('box', 'openssh'), prompter);
  try {
    const { out, code, channel } = await output(transport, ['echo', 'hello']);
    if (code !== 0) throw transport.explain(channel, code);
    expect(out).toBe('hello\n');
  } finally {
    transport.close();
  }
}

describe.skipIf(excused(noSshd))("the system's ssh", () => {
  const client = new Client();
  let sshd: Sshd;
  beforeAll(async () => {
    sshd = await Sshd.start({ authorized: [client.publicKey] });
    client.host('box', sshd);
  });
  afterAll(async () => {
    client.remove();
    await sshd.stop();
  });

  it('asks about an unknown host key here, and ssh itself writes it down on yes', async () => {
    client.trust();
    const doubting = new ScriptedPrompter(false);
    await expect(login(client, doubting)).rejects.toMatchObject({
      code: 'login',
      message: 'The key of this host is not known yet',
    });
    const prompter = new ScriptedPrompter(true);
    await login(client, prompter);
    expect(prompter.hostKeys).toEqual([
      {
        host: `[127.0.0.1]:${sshd.port}`,
        keyType: 'ssh-ed25519',
        fingerprint: fingerprint(`${sshd.folder}/host_ed25519.pub`),
      },
    ]);
    expect(client.knownHosts()).toBe(`${sshd.knownHost()}\n`);
  });

  it('takes no unknown key unasked, whatever the configuration says', async () => {
    client.trust().reset().host('box', sshd, 'StrictHostKeyChecking no');
    await expect(login(client, nobody)).rejects.toMatchObject({ code: 'login' });
    expect(client.knownHosts()).toBe('');
    client.reset().host('box', sshd);
  });

  it('asks nobody where the configuration says that unknown keys are refused', async () => {
    client.trust().reset().host('box', sshd, 'StrictHostKeyChecking yes');
    const prompter = new ScriptedPrompter(true);
    await expect(login(client, prompter)).rejects.toMatchObject({ code: 'login' });
    expect(prompter.hostKeys).toEqual([]);
    expect(client.knownHosts()).toBe('');
    client.reset().host('box', sshd);
  });

  it.each(['no', 'accept-new'])(
    'goes over no host on the way whose key the configuration takes unseen (%s)',
    async (word) => {
      client
        .trust()
        .reset()
        .host('jump', sshd, `StrictHostKeyChecking ${word}`)
        .host('box', sshd, 'ProxyJump jump');
      await expect(login(client, new ScriptedPrompter(true))).rejects.toMatchObject({
        code: 'login',
        message: 'The key of a host on the way would be taken unseen',
        where: 'jump',
      });
      expect(client.knownHosts()).toBe('');
    },
  );

  it('asks about the key of every host on the way', async () => {
    const jump = await Sshd.start({ authorized: [client.publicKey] });
    try {
      client.trust().reset().host('jump', jump).host('box', sshd, 'ProxyJump jump');
      const prompter = new ScriptedPrompter(true);
      await login(client, prompter);
      expect(prompter.hostKeys.map(({ host }) => host)).toEqual([
        `[127.0.0.1]:${jump.port}`,
        `[127.0.0.1]:${sshd.port}`,
      ]);
    } finally {
      await jump.stop();
      client.reset().host('box', sshd);
    }
  });

  it('stops at a changed key and at a revoked one', async () => {
    const wrong = makeKey(client.path('wrong')).split(' ').slice(0, 2).join(' ');
    client.trust(`[127.0.0.1]:${sshd.port} ${wrong}`);
    const prompter = new ScriptedPrompter(true);
    await expect(login(client, prompter)).rejects.toMatchObject({
      code: 'host-key',
      message: expect.stringContaining('another key'),
    });
    const [kind, key] = sshd.hostKey().split(' ');
    client.trust(`@revoked * ${kind} ${key}`);
    await expect(login(client, prompter)).rejects.toMatchObject({
      code: 'host-key',
      message: expect.stringContaining('revoked'),
    });
    expect(prompter.hostKeys).toEqual([]);
    client.trust(sshd.knownHost());
  });

  it('asks for a passphrase here, and stops when there is none', async () => {
    const path = client.path('locked');
    sshd.authorize(makeKey(path, 'ed25519', { passphrase: 'open sesame' }));
    client.reset().host('box', sshd, `IdentityFile ${path}`);
    await expect(login(client, new ScriptedPrompter())).rejects.toMatchObject({
      code: 'login',
      message: 'The login needs an answer that was not given',
    });
    await expect(login(client, nobody)).rejects.toMatchObject({ code: 'login' });
    const prompter = new ScriptedPrompter(false, ['open sesame']);
    await login(client, prompter);
    expect(prompter.secrets).toEqual([
      { title: 'ssh asks', fields: [{ label: `Enter passphrase for key '${path}'`, echo: false }] },
    ]);
    // It is known from now on.
    await login(client, new ScriptedPrompter());
  });

  it.each([
    { lines: [], interval: '10', timeout: '15' },
    { lines: ['ServerAliveInterval 77', 'ConnectTimeout 66'], interval: '77', timeout: '66' },
  ])(
    'keeps the time limits of the configuration ($lines), and has its own where there are none',
    async ({ lines, interval, timeout }) => {
      client.reset().host('box', sshd, ...lines);
      const transport = await openTransport(client.profile('box', 'openssh'), nobody);
      const { channel } = await output(transport, ['true']);
      const running = await transport.run(['cat']);
      const words = descendantsOf(process.pid)
        .map(wordsOf)
        .find(([program, ...rest]) => program === 'ssh' && rest.includes(client.config))!;
      const { stdout } = spawnSync('ssh', ['-G', ...words.slice(1)], { encoding: 'utf8' });
      expect(stdout).toMatch(new RegExp(`^serveraliveinterval ${interval}$`, 'm'));
      expect(stdout).toMatch(new RegExp(`^connecttimeout ${timeout}$`, 'm'));
      running.kill();
      expect(await channel.exit).toBe(0);
      transport.close();
    },
  );

  it('leaves neither a master nor a file behind, not even those of a process that was killed', async () => {
    const dead = spawnSync('true').pid;
    writeFileSync(join(sockets, `${dead}-0123abcd.sh`), '');
    const transport = await openTransport(client.profile('box', 'openssh'), nobody);
    transport.close();
    await expect.poll(left, { timeout: 60_000 }).toEqual([]);
  });
});

describe.skipIf(excused(noUsers))("the system's ssh with answers", () => {
  const client = new Client();
  const start = async (options: SshdOptions) => {
    const sshd = await Sshd.start({ user: 'throwaway', password: 'correct horse', ...options });
    client.reset().host('box', sshd).trust(sshd.knownHost());
    return sshd;
  };
  afterAll(() => client.remove());

  it('asks for a password here, at most twice', async () => {
    const sshd = await start({ config: ['PasswordAuthentication yes'] });
    const guessing = new ScriptedPrompter(false, ['a', 'b', 'c', 'd']);
    await expect(login(client, guessing)).rejects.toMatchObject({ code: 'login' });
    expect(guessing.secrets).toHaveLength(2);
    await login(client, new ScriptedPrompter(false, ['wrong', 'correct horse']));
    await sshd.stop();
  });

  it('takes up a lost link by the password it was told, and tries one that is not right any more once', async () => {
    const sshd = await start({ config: ['PasswordAuthentication yes'] });
    const failures = () => sshd.log().match(/Failed password/g)?.length ?? 0;
    await login(client, new ScriptedPrompter(false, ['correct horse']));
    await login(client, new ScriptedPrompter());
    expect(failures()).toBe(0);
    spawnSync('chpasswd', { input: `${sshd.user}:another\n` });
    const asked = new ScriptedPrompter(false, ['another']);
    await login(client, asked);
    expect(asked.secrets).toHaveLength(1);
    expect(failures()).toBe(1);
    await sshd.stop();
  });

  it('asks here what PAM asks', async () => {
    const pam = 'auth required pam_unix.so\naccount required pam_permit.so\nsession required pam_permit.so';
    const sshd = await start({ pam, config: ['KbdInteractiveAuthentication yes'] });
    const prompter = new ScriptedPrompter(false, ['correct horse']);
    await login(client, prompter);
    expect(prompter.secrets[0]!.fields[0]!.label).toContain('Password');
    await sshd.stop();
  });
});
