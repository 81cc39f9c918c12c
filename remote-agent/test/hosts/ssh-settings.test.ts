import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { type HostSettings, readSettings } from '../../src/hosts/ssh/settings.ts';
import { excused, noSshd } from './sshd.ts';

const work = mkdtempSync(join(tmpdir(), 'para-ssh-settings-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));
const config = join(work, 'config');
const absent = join(work, 'no-such-ssh');

/** What both ways of reading must agree on: everything but lists that only `ssh` itself knows. */
const shared = ({ algorithms: _, identityFiles, globalKnownHosts: __, ...settings }: HostSettings) => ({
  ...settings,
  identityFiles: identityFiles.filter((file) => file.startsWith(work)),
});

describe.skipIf(excused(noSshd))('the settings of a host', () => {
  it('come out the same without an ssh program as with one', async () => {
    mkdirSync(join(work, 'conf.d'), { recursive: true });
    writeFileSync(join(work, 'arg'), '');
    writeFileSync(join(work, 'conf.d/a.conf'), 'Host included\n  Port 7\n  User inc\n');
    const line = fc.constantFrom(
      'Host a',
      'Host a b',
      'Host *',
      'Host * !b',
      'Host ?',
      'Match all',
      'Match host a',
      'Match host b,c',
      'Match user me',
      'Match originalhost a user me',
      `Include ${work}/conf.d/*.conf`,
      'Include conf.d/none*',
    );
    const setting = fc.constantFrom(
      'HostName real.example',
      'HostName %h.example.com',
      'Port 2200',
      'Port=2201',
      'User me',
      'User "you"',
      `IdentityFile ${work}/one`,
      `IdentityFile "${work}/two"`,
      'IdentitiesOnly yes',
      'IdentitiesOnly no',
      'ProxyJump j1,me@j2:44',
      'ProxyJump none',
      'ProxyCommand nc %h %p',
      'ProxyCommand none',
      'HostKeyAlias Alias',
      `UserKnownHostsFile ${work}/k1 ${work}/k2`,
      'ServerAliveInterval 7',
      'ServerAliveCountMax 9',
      'ConnectTimeout 3',
      'IdentityAgent none',
      `IdentityAgent ${work}/agent-%r`,
      'HashKnownHosts yes',
      'StrictHostKeyChecking yes',
      'StrictHostKeyChecking no',
      'PubkeyAuthentication no',
      'PasswordAuthentication no',
      'KbdInteractiveAuthentication no',
      'AddressFamily inet',
      '# a comment',
      '',
      `CertificateFile ${work}/%h-cert.pub`,
    );
    const file = fc.array(fc.oneof({ weight: 1, arbitrary: line }, { weight: 3, arbitrary: setting }), {
      maxLength: 12,
    });
    const target = fc.constantFrom('a', 'b', 'included', 'me@a', 'ssh://me@b:99', 'c');
    const args = fc.constantFrom(
      [],
      ['-p', '5'],
      ['-l', 'other'],
      ['-i', join(work, 'arg')],
      ['-J', 'jump:3'],
    );
    await fc.assert(
      fc.asyncProperty(file, target, args, async (lines, host, more) => {
        writeFileSync(config, `${lines.join('\n')}\n`);
        const all = ['-F', config, ...more];
        expect(shared(await readSettings(host, all, absent))).toEqual(shared(await readSettings(host, all)));
      }),
      { numRuns: 300, seed: 5 },
    );
  });

  it.each(['ssh', absent])('fill in tokens, the home and the environment (%s)', async (program) => {
    process.env.PARA_TEST_KEYS = join(work, 'keys');
    writeFileSync(
      config,
      [
        'Host gpu',
        'HostName %h.example.com',
        'User me',
        'Port 2222',
        'IdentityFile ~/.ssh/%r_at_%h',
        'IdentityFile $' + '{PARA_TEST_KEYS}/id',
        'ProxyCommand nc %h %p --as %r --from %n 100%%',
      ].join('\n'),
    );
    expect(await readSettings('gpu', ['-F', config], program)).toMatchObject({
      hostName: 'gpu.example.com',
      knownName: '[gpu.example.com]:2222',
      proxyCommand: 'nc gpu.example.com 2222 --as me --from gpu 100%',
      identityFiles: [join(homedir(), '.ssh/me_at_gpu.example.com'), join(work, 'keys/id')],
    });
  });

  it('have a sign of life every 10 s, and let go after 3 without', async () => {
    writeFileSync(config, '');
    for (const program of ['ssh', absent])
      expect(await readSettings('x', ['-F', config], program)).toMatchObject({
        aliveInterval: 10_000,
        aliveCount: 3,
        connectTimeout: 15_000,
        port: 22,
        knownName: 'x',
      });
  });

  it.each(['-oProxyCommand=touch /tmp/x', 'a b', 'a;b', 'a$(b)', "a'b", '`x`@host', 'x;y@host', '-x@host'])(
    'are not read for "%s", which no host is called',
    async (target) => {
      writeFileSync(config, 'Host *\n  ProxyCommand nc %h %p %r\n');
      for (const program of ['ssh', absent])
        await expect(readSettings(target, ['-F', config], program)).rejects.toMatchObject({
          name: 'ParaError',
        });
    },
  );

  it('are refused where they ask for checks that are not made here', async () => {
    writeFileSync(config, 'RevokedHostKeys /etc/ssh/revoked\n');
    await expect(readSettings('x', ['-F', config])).rejects.toMatchObject({
      code: 'login',
      hint: expect.stringContaining('"openssh"'),
    });
  });

  it('are refused with a key file that is not there', async () => {
    await expect(readSettings('x', ['-i', join(work, 'nothing')])).rejects.toMatchObject({ code: 'login' });
  });

  it('name the file and line that ssh does not understand', async () => {
    writeFileSync(config, 'Prot 22\n');
    await expect(readSettings('x', ['-F', config])).rejects.toMatchObject({
      code: 'login',
      where: expect.stringContaining(`${config}: line 1`),
    });
  });
});
