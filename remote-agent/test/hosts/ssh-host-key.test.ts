import { spawnSync } from 'node:child_process';
import { chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Prompter } from '../../src/hosts/prompter.ts';
import { fingerprintOf, isAbout, readKnownHosts, rememberHost } from '../../src/hosts/ssh/known-hosts.ts';
import { openTransport } from '../../src/hosts/transports/index.ts';
import { Client, output, ScriptedPrompter } from './ssh-client.ts';
import { excused, fingerprint, makeKey, noSshd, Sshd } from './sshd.ts';

describe.skipIf(excused(noSshd))('the key of a host', () => {
  const client = new Client();
  let sshd: Sshd;
  let jump: Sshd;
  beforeAll(async () => {
    const options = { authorized: [client.publicKey], hostKeys: ['ed25519', 'ecdsa', 'rsa'] as const };
    sshd = await Sshd.start(options);
    jump = await Sshd.start(options);
  });
  beforeEach(() => {
    client.reset().host('box', sshd).trust();
  });
  afterAll(async () => {
    client.remove();
    await sshd.stop();
    await jump.stop();
  });

  async function login(prompter: Prompter = new ScriptedPrompter(true), name = 'box'): Promise<Prompter> {
    const transport = await openTransport(client.profile(name), prompter);
    try {
      expect((await output(transport, ['echo', 'hello'])).out).toBe('hello\n');
    } finally {
      transport.close();
    }
    return prompter;
  }
  const place = () => `[127.0.0.1]:${sshd.port}`;
  /** Whether the system's `ssh` takes what was written. */
  const sshAgrees = () =>
    spawnSync('ssh', ['-F', client.config, '-o', 'BatchMode=yes', 'box', 'true'], { stdio: 'ignore' })
      .status === 0;

  it('is asked about when unknown, with its type and fingerprint, and written down on yes', async () => {
    const prompter = new ScriptedPrompter(true);
    await login(prompter);
    const file = `${sshd.folder}/host_ed25519.pub`;
    expect(prompter.hostKeys).toEqual([
      { host: place(), keyType: 'ssh-ed25519', fingerprint: fingerprint(file) },
    ]);
    expect(client.knownHosts()).toBe(`${sshd.knownHost()}\n`);
    expect(sshAgrees()).toBe(true);
    expect((await login(prompter)) && prompter.hostKeys).toHaveLength(1);
  });

  it('is written as a hash where the settings say so, after a line without an end', async () => {
    client.reset().host('box', sshd, 'HashKnownHosts yes');
    writeFileSync(client.known, '# mine');
    await login();
    expect(client.knownHosts()).toMatch(/^# mine\n\|1\|[^|]+\|[^ ]+ ssh-ed25519 \S+\n$/);
    expect(client.knownHosts()).not.toContain('127.0.0.1');
    expect(sshAgrees()).toBe(true);
    await login(new ScriptedPrompter(false));
  });

  it('is refused on no, and nothing is sent or written', async () => {
    await expect(login(new ScriptedPrompter(false))).rejects.toMatchObject({
      code: 'login',
      message: 'The key of this host is not known yet',
      where: expect.stringContaining(fingerprint(`${sshd.folder}/host_ed25519.pub`)),
    });
    expect(client.knownHosts()).toBe('');
  });

  it.each(['no', 'accept-new', 'off'])('is asked about even with StrictHostKeyChecking %s', async (word) => {
    client.reset().host('box', sshd, `StrictHostKeyChecking ${word}`);
    const prompter = new ScriptedPrompter(false);
    await expect(login(prompter)).rejects.toMatchObject({ code: 'login' });
    expect(prompter.hostKeys).toHaveLength(1);
  });

  it('is refused without a question with StrictHostKeyChecking yes', async () => {
    client.reset().host('box', sshd, 'StrictHostKeyChecking yes');
    const prompter = new ScriptedPrompter(true);
    await expect(login(prompter)).rejects.toMatchObject({ code: 'login' });
    expect(prompter.hostKeys).toEqual([]);
  });

  it('stops everything when it changed, and shows both fingerprints and the line', async () => {
    const old = client.path(`old-${Math.random()}`);
    const line = makeKey(old).split(' ').slice(0, 2).join(' ');
    client.trust('# a comment', `other.example ${line}`, `${place()} ${line}`);
    const prompter = new ScriptedPrompter(true);
    const failure = await login(prompter).catch((error) => error);
    expect(failure).toMatchObject({ code: 'host-key', message: expect.stringContaining('another key') });
    expect(failure.where).toContain(fingerprint(`${sshd.folder}/host_ed25519.pub`));
    expect(failure.where).toContain(fingerprint(`${old}.pub`));
    expect(failure.where).toContain(`${client.known}:3`);
    expect(prompter.hostKeys).toEqual([]);
  });

  it('is asked for in the type that is known, of all that the host has', async () => {
    for (const type of ['rsa', 'ecdsa', 'ed25519'] as const) {
      client.trust(sshd.knownHost(type));
      await login(new ScriptedPrompter(false));
    }
  });

  it('stops everything when the host has no key of the type that is known', async () => {
    const other = makeKey(client.path(`other-${Math.random()}`), 'rsa');
    await jump.restart([`HostKey ${jump.folder}/host_ed25519`]);
    client.reset().host('box', jump).trust(`[127.0.0.1]:${jump.port} ${other}`);
    await expect(login()).rejects.toMatchObject({ message: expect.stringContaining('another key') });
  });

  it('is refused when it is revoked, though it is known too, and for any name', async () => {
    const [kind, key] = sshd.hostKey().split(' ');
    client.trust(sshd.knownHost(), `@revoked * ${kind} ${key}`);
    const failure = await login().catch((error) => error);
    expect(failure).toMatchObject({ code: 'host-key', message: expect.stringContaining('revoked') });
    expect(failure.where).toContain(`${client.known}:2`);
  });

  it('names the other transport where an authority vouches for it', async () => {
    const authority = makeKey(client.path(`ca-${Math.random()}`));
    client.trust(`@cert-authority * ${authority}`);
    await expect(login()).rejects.toMatchObject({ hint: expect.stringContaining('"openssh"') });
    client.trust(`@cert-authority * ${authority}`, sshd.knownHost());
    await login(new ScriptedPrompter(false));
  });

  it('is looked up under the alias of the settings', async () => {
    client.reset().host('box', sshd, 'HostKeyAlias my-gpu');
    const [kind, key] = sshd.hostKey().split(' ');
    client.trust(`my-gpu ${kind} ${key}`);
    await login(new ScriptedPrompter(false));
    client.trust(sshd.knownHost());
    const prompter = new ScriptedPrompter(true);
    await login(prompter);
    expect(prompter.hostKeys[0]!.host).toBe('my-gpu');
  });

  it('is known without its port too, as ssh has it', async () => {
    const [kind, key] = sshd.hostKey().split(' ');
    client.trust(`127.0.0.1 ${kind} ${key}`);
    await login(new ScriptedPrompter(false));
    expect(sshAgrees()).toBe(true);
  });

  it('may be in the second of several files, or in that of the machine', async () => {
    const second = client.path('second');
    writeFileSync(second, `${sshd.knownHost()}\n`);
    client.reset().host('box', sshd, `UserKnownHostsFile ${client.known} ${second}`);
    await login(new ScriptedPrompter(false));
    client.reset().host('box', sshd, `GlobalKnownHostsFile ${second}`);
    await login(new ScriptedPrompter(false));
  });

  it('is asked about on every hop, and one changed on the way stops everything', async () => {
    await jump.restart([]);
    client.reset().host('jump', jump).host('box', sshd, 'ProxyJump jump');
    const prompter = new ScriptedPrompter(true);
    await login(prompter);
    expect(prompter.hostKeys.map(({ host }) => host)).toEqual([`[127.0.0.1]:${jump.port}`, place()]);
    const wrong = makeKey(client.path(`wrong-${Math.random()}`));
    client.trust(sshd.knownHost(), `[127.0.0.1]:${jump.port} ${wrong}`);
    await expect(login()).rejects.toMatchObject({
      code: 'host-key',
      message: expect.stringContaining('another key'),
      where: expect.stringContaining(`:${jump.port}`),
    });
  });

  it('goes into a file for its user alone', async () => {
    const file = client.path('new/known_hosts');
    const key = Buffer.from(sshd.hostKey().split(' ')[1]!, 'base64');
    rememberHost(file, 'host', key, false);
    expect(statSync(file).mode & 0o077).toBe(0);
    chmodSync(file, 0o600);
    expect(fingerprintOf(key)).toBe(fingerprint(`${sshd.folder}/host_ed25519.pub`));
    expect(readFileSync(file, 'utf8')).toMatch(/^host ssh-ed25519 \S+\n$/);
  });

  it('is found by name, pattern and hash just as ssh-keygen finds it', () => {
    const file = client.path('patterns');
    const key = sshd.hostKey().split(' ').slice(0, 2).join(' ');
    const part = fc.constantFrom(
      'a',
      'B',
      'b.c',
      '*',
      '?',
      'a?',
      '*.c',
      '[a]:22',
      '[b.c]:4022',
      '[*]:4022',
      '1.2.3.4',
    );
    const pattern = fc.tuple(fc.constantFrom('', '', '!'), part).map(([not, text]) => not + text);
    const name = fc.constantFrom(
      'a',
      'b',
      'b.c',
      'x.c',
      'ab',
      '[b.c]:4022',
      '[x]:4022',
      '1.2.3.4',
      '[1.2.3.4]:22',
    );
    fc.assert(
      fc.property(
        fc.array(pattern, { minLength: 1, maxLength: 4 }),
        name,
        fc.boolean(),
        (patterns, host, hash) => {
          if (hash) {
            writeFileSync(file, '');
            rememberHost(
              file,
              patterns[0]!.replace(/[!*?]/g, ''),
              Buffer.from(key.split(' ')[1]!, 'base64'),
              true,
            );
          } else writeFileSync(file, `${patterns.join(',')} ${key}\n`);
          const found = spawnSync('ssh-keygen', ['-F', host, '-f', file], { encoding: 'utf8' });
          expect(readKnownHosts(file).some((entry) => isAbout(entry, host))).toBe(found.stdout !== '');
        },
      ),
      { numRuns: 150, seed: 7 },
    );
  });

  it('reads files of any content without failing', () => {
    const file = client.path('fuzz');
    const words = fc.constantFrom(
      '@revoked',
      '@cert-authority',
      '|1|x|y',
      'host',
      'ssh-ed25519',
      'AAAA',
      '#',
      ' ',
      '\t',
      '\n',
      '\0',
    );
    fc.assert(
      fc.property(fc.array(fc.oneof(words, fc.string()), { maxLength: 30 }), (parts) => {
        writeFileSync(file, parts.join(' '));
        for (const entry of readKnownHosts(file)) isAbout(entry, 'host');
      }),
      { numRuns: 300, seed: 11 },
    );
  });
});
