import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { nobody, type Prompter } from '../../src/hosts/prompter.ts';
import { openTransport } from '../../src/hosts/transports/index.ts';
import { Client, output, ScriptedPrompter, startAgent } from './ssh-client.ts';
import { excused, noUsers, Sshd, type SshdOptions } from './sshd.ts';

const otpSecret = '3132333435363738393031323334353637383930';
/** The next one-time passwords, by the independent oathtool. */
const oneTime = (counter: number) =>
  execFileSync('oathtool', ['-c', String(counter), otpSecret], { encoding: 'utf8' }).trim();

describe.skipIf(excused(noUsers))('logging in by answers', () => {
  const client = new Client();
  const servers: Sshd[] = [];
  afterAll(async () => {
    client.remove();
    for (const server of servers) await server.stop();
  });

  async function server(options: SshdOptions): Promise<Sshd> {
    const sshd = await Sshd.start({ user: 'throwaway', ...options });
    servers.push(sshd);
    client.reset().host('box', sshd).trust(sshd.knownHost());
    return sshd;
  }

  async function login(prompter: Prompter): Promise<void> {
    const transport = await openTransport(client.profile('box'), prompter);
    try {
      expect((await output(transport, ['echo', 'hello'])).out).toBe('hello\n');
    } finally {
      transport.close();
    }
  }

  const pamPassword =
    'auth required pam_unix.so nodelay\naccount required pam_permit.so\nsession required pam_permit.so';
  const pamBoth = (users: string) =>
    `auth required pam_unix.so nodelay\nauth required pam_oath.so usersfile=${users} window=5\n` +
    'account required pam_permit.so\nsession required pam_permit.so';

  it('asks for the password last, and gives up after two wrong ones', async () => {
    const sshd = await server({ password: 'correct horse', config: ['PasswordAuthentication yes'] });
    const guessing = new ScriptedPrompter(false, ['a', 'b', 'c', 'd']);
    await expect(login(guessing)).rejects.toMatchObject({ code: 'login' });
    expect(guessing.secrets).toHaveLength(2);
    const prompter = new ScriptedPrompter(false, ['wrong', 'correct horse']);
    await login(prompter);
    expect(prompter.secrets).toHaveLength(2);
    expect(prompter.secrets[0]).toEqual({
      title: `${sshd.user}@127.0.0.1`,
      fields: [{ label: 'Password', echo: false }],
    });
    expect(prompter.secrets[1]).toEqual({ ...prompter.secrets[0], again: true });
    expect(sshd.log().match(/Failed password/g)).toHaveLength(3);
  });

  it('takes up a lost link by the password that was right, tries one that is not right any more once, and then asks', async () => {
    const sshd = await server({ password: 'first', config: ['PasswordAuthentication yes'] });
    const failures = () => sshd.log().match(/Failed password/g)?.length ?? 0;
    await login(new ScriptedPrompter(false, ['first']));
    await login(nobody);
    expect(failures()).toBe(0);
    execFileSync('chpasswd', { input: `${sshd.user}:second\n` });
    await expect(login(nobody)).rejects.toMatchObject({ code: 'login' });
    await expect(login(nobody)).rejects.toMatchObject({ code: 'login' });
    expect(failures()).toBe(1);
    await login(new ScriptedPrompter(false, ['second']));
    await login(nobody);
    expect(failures()).toBe(1);
    // Another machine under the same name: it never sees what the first was told.
    const other = await server({ password: 'second', config: ['PasswordAuthentication yes'] });
    await expect(login(nobody)).rejects.toMatchObject({ code: 'login' });
    expect(other.log()).not.toContain('Failed password');
  });

  it('says so when nobody can be asked', async () => {
    await expect(login(nobody)).rejects.toMatchObject({
      code: 'login',
      message: 'The login needs an answer that was not given',
      hint: expect.stringContaining('terminal'),
    });
  });

  it('answers PAM: a password, then a one-time password', async () => {
    const users = client.path('users.oath');
    const sshd = await server({
      password: 'correct horse',
      pam: pamBoth(users),
      config: ['KbdInteractiveAuthentication yes'],
    });
    writeFileSync(users, `HOTP ${sshd.user} - ${otpSecret}\n`, { mode: 0o600 });
    const prompter = new ScriptedPrompter(false, ['correct horse', oneTime(0)]);
    await login(prompter);
    expect(prompter.secrets.map(({ fields }) => fields[0]!.label)).toEqual([
      'Password',
      `One-time password (OATH) for \`${sshd.user}'`,
    ]);
    // The password is known; which of the two was wrong is not, so that both are asked for then.
    const clumsy = new ScriptedPrompter(false, ['000000', 'correct horse', oneTime(1)]);
    await login(clumsy);
    expect(clumsy.secrets.map(({ fields }) => fields[0]!.label.slice(0, 8))).toEqual([
      'One-time',
      'Password',
      'One-time',
    ]);
    expect(clumsy.secrets.map(({ again = false }) => again)).toEqual([false, true, true]);
    const guessing = new ScriptedPrompter(
      false,
      Array.from({ length: 9 }, () => 'no'),
    );
    await expect(login(guessing)).rejects.toMatchObject({ code: 'login' });
    expect(guessing.secrets).toHaveLength(3);
  });

  it.each(['a key file', 'a key agent'])('goes on to the second factor after %s was accepted', async (by) => {
    const sshd = await server({
      password: 'correct horse',
      pam: pamPassword,
      authorized: [client.publicKey],
      config: ['KbdInteractiveAuthentication yes', 'AuthenticationMethods publickey,keyboard-interactive'],
    });
    const socket = client.path('agent.sock');
    const stop = await startAgent(socket, client.key);
    if (by === 'a key agent') client.reset().host('box', sshd, `IdentityAgent ${socket}`);
    const prompter = new ScriptedPrompter(false, ['correct horse']);
    await login(prompter);
    expect(prompter.secrets).toHaveLength(1);
    stop();
  });

  it('keeps what it was told out of what it says', async () => {
    const secret = 'tell nobody 4711';
    await server({ password: 'x', config: ['PasswordAuthentication yes'] });
    const failure = await login(new ScriptedPrompter(false, [secret, secret])).catch((error) => error);
    expect(failure).toMatchObject({ code: 'login' });
    expect(`${failure.describe()} ${failure.stack} ${JSON.stringify(failure)}`).not.toContain(secret);
  });

  it('makes the words of a host printable before they are asked', async () => {
    const users = client.path('echo');
    writeFileSync(users, 'Beware \u001b[31mred\u0007 text\n');
    await server({
      password: 'correct horse',
      pam: `auth optional pam_echo.so file=${users}\n${pamPassword}`,
      config: ['KbdInteractiveAuthentication yes'],
    });
    const prompter = new ScriptedPrompter(false, ['correct horse']);
    await login(prompter);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
    expect(JSON.stringify(prompter.secrets)).not.toMatch(/\\u00|[\u0000-\u001f]/);
    expect(prompter.secrets[0]!.fields[0]!.label).toBe('Beware ?[31mred? text Password');
  });
});
