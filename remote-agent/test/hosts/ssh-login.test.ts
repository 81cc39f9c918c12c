import { chmodSync, copyFileSync, rmSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nobody, type Prompter } from '../../src/hosts/prompter.ts';
import { openTransport } from '../../src/hosts/transports/index.ts';
import { Client, output, ScriptedPrompter, startAgent } from './ssh-client.ts';
import { excused, makeKey, noSshd, Sshd } from './sshd.ts';

describe.skipIf(excused(noSshd))('logging in by key', () => {
  let sshd: Sshd;
  const client = new Client();
  beforeAll(async () => {
    sshd = await Sshd.start({ authorized: [client.publicKey] });
    client.host('box', sshd).host('bare', sshd, 'IdentityFile none').trust(sshd.knownHost());
  });
  afterAll(async () => {
    client.remove();
    await sshd.stop();
  });

  async function login(profile = client.profile('box'), prompter: Prompter = nobody): Promise<void> {
    const transport = await openTransport(profile, prompter);
    try {
      expect((await output(transport, ['echo', 'hello'])).out).toBe('hello\n');
    } finally {
      transport.close();
    }
  }
  const withKey = (path: string, host = 'bare') => client.profile(host, 'ssh2', '-i', path);

  it.each([
    ['ed25519', {}],
    ['ecdsa', {}],
    ['ecdsa', { format: 'PEM' }],
    ['ecdsa', { format: 'PKCS8' }],
    ['rsa', {}],
    ['rsa', { format: 'PEM' }],
    ['rsa', { format: 'PKCS8' }],
  ] as const)('takes a key of type %s, %o', async (type, options) => {
    const path = client.path(`${type}-${'format' in options ? options.format : 'openssh'}`);
    sshd.authorize(makeKey(path, type, options));
    await login(withKey(path));
  });

  it.each([
    ['ed25519', {}],
    ['ecdsa', { format: 'PEM' }],
    ['rsa', { format: 'PKCS8' }],
  ] as const)(
    'asks for the passphrase of an encrypted key of type %s, %o, again when it was wrong',
    async (type, options) => {
      const path = client.path(`secret-${type}`);
      sshd.authorize(makeKey(path, type, { ...options, passphrase: 'open sesame' }));
      rmSync(`${path}.pub`); // the private half is enough
      const prompter = new ScriptedPrompter(false, ['wrong', 'open sesame']);
      await login(withKey(path), prompter);
      const title = `Passphrase for the key ${path}`;
      expect(prompter.secrets).toMatchObject([
        { title, again: false },
        { title, again: true },
      ]);
      expect(prompter.secrets.every(({ fields }) => fields.every(({ echo }) => !echo))).toBe(true);
      await login(withKey(path)); // taken up again: nobody is asked any more
    },
  );

  it('does not ask for the passphrase of a key the host would not take', async () => {
    const path = client.path('useless');
    makeKey(path, 'ed25519', { passphrase: 'open sesame' });
    const prompter = new ScriptedPrompter(false, ['open sesame']);
    await login(withKey(path, 'box'), prompter); // by the key of the configuration
    expect(prompter.secrets).toEqual([]);
  });

  it('gives a key up after three wrong passphrases', async () => {
    const path = client.path('forgotten');
    sshd.authorize(makeKey(path, 'ed25519', { passphrase: 'open sesame' }));
    const prompter = new ScriptedPrompter(false, ['1', '2', '3', '4']);
    await login(withKey(path, 'box'), prompter); // by the key of the configuration
    expect(prompter.secrets).toHaveLength(3);
  });

  it('has a key agent sign, and leaves its other keys alone with IdentitiesOnly', async () => {
    const [inAgent, other] = [client.path('in-agent'), client.path('other')];
    const socket = client.path('agent.sock');
    for (const type of ['rsa', 'ed25519'] as const) {
      rmSync(inAgent, { force: true });
      sshd.authorize(makeKey(inAgent, type));
      makeKey(other + type, type);
      const stop = await startAgent(socket, other + type, inAgent);
      rmSync(inAgent); // only its public half stays here
      client
        .reset()
        .host('by-agent', sshd, `IdentityAgent ${socket}`, 'IdentitiesOnly no', 'IdentityFile none')
        .host('only', sshd, `IdentityAgent ${socket}`, `IdentityFile ${inAgent}`)
        .host('box', sshd);
      await login(client.profile('by-agent'));
      await sshd.restart(['MaxAuthTries 1']); // one wrong key, and it is over
      await login(client.profile('only'));
      stop();
      await sshd.restart();
    }
  });

  it('says that there are too many keys, before the host closes the door', async () => {
    const keys = Array.from({ length: 7 }, (_, i) => client.path(`k${i}`));
    for (const key of keys) makeKey(key);
    const socket = client.path('agent2.sock');
    const stop = await startAgent(socket, ...keys);
    const lines = [`IdentityAgent ${socket}`, 'IdentitiesOnly no', 'IdentityFile none'];
    client.reset().host('many', sshd, ...lines);
    await expect(login(client.profile('many'))).rejects.toMatchObject({
      code: 'login',
      message: 'There are too many keys to try them all on this host',
      where: expect.stringContaining('5 of our keys were refused'),
      hint: expect.stringContaining('-i'),
    });
    await sshd.restart(['MaxAuthTries 3']);
    await expect(login(client.profile('many'))).rejects.toMatchObject({
      code: 'login',
      message: 'The host refused the login after too many tries',
      hint: expect.stringContaining('-i'),
    });
    await sshd.restart();
    stop();
    client.reset().host('box', sshd);
  });

  it('does not use a key file that others may read, and says so', async () => {
    const path = client.path('open-key');
    copyFileSync(client.key, path);
    chmodSync(path, 0o644);
    client.reset().host('open', sshd, `IdentityFile ${path}`).host('box', sshd);
    rmSync(client.key);
    await expect(login(client.profile('open'))).rejects.toMatchObject({
      code: 'login',
      where: expect.stringContaining('chmod 600'),
    });
    chmodSync(path, 0o600);
    await login(client.profile('open'));
    copyFileSync(path, client.key);
  });

  it('names the other transport where a key is of hardware, or a certificate', async () => {
    const field = (text: string | Buffer) => {
      const bytes = Buffer.from(text);
      const length = Buffer.alloc(4);
      length.writeUInt32BE(bytes.length);
      return Buffer.concat([length, bytes]);
    };
    const one = Buffer.from([0, 0, 0, 1]);
    const type = field('sk-ssh-ed25519@openssh.com');
    const publicKey = Buffer.concat([type, field(Buffer.alloc(32, 7)), field('ssh:')]);
    const secret = Buffer.concat([Buffer.alloc(8), type, Buffer.alloc(100)]);
    const whole = [
      Buffer.from('openssh-key-v1\0'),
      field('none'),
      field('none'),
      field(''),
      one,
      field(publicKey),
    ];
    const body = Buffer.concat([...whole, field(secret)]).toString('base64');
    const path = client.path('hardware');
    writeFileSync(path, `-----BEGIN OPENSSH PRIVATE KEY-----\n${body}\n-----END OPENSSH PRIVATE KEY-----\n`, {
      mode: 0o600,
    });
    client.reset().host('hardware', sshd, `IdentityFile ${path}`);
    const stranger = client.path('stranger');
    makeKey(stranger);
    writeFileSync(`${stranger}-cert.pub`, 'ssh-ed25519-cert-v01@openssh.com AAAA\n');
    client.host('certified', sshd, `IdentityFile ${stranger}`);
    const authorized = client.key;
    copyFileSync(authorized, client.path('kept'));
    rmSync(authorized);
    for (const [name, why] of [
      ['hardware', 'it is a hardware key'],
      ['certified', 'it is a certificate'],
    ] as const)
      await expect(login(client.profile(name))).rejects.toMatchObject({
        code: 'login',
        where: expect.stringContaining(why),
        hint: expect.stringContaining('"openssh"'),
      });
    copyFileSync(client.path('kept'), authorized);
    client.reset().host('box', sshd);
  });

  it('says what the host takes when nothing fits', async () => {
    const stranger = client.path('stranger2');
    makeKey(stranger);
    await sshd.restart(['AuthenticationMethods publickey']);
    copyFileSync(stranger, client.key);
    await expect(login()).rejects.toMatchObject({
      code: 'login',
      message: 'The host refused the login',
      where: expect.stringContaining('it takes publickey; 1 of our keys were refused'),
    });
  });
});
