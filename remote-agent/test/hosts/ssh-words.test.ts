import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import {
  addHost,
  findHost,
  listHosts,
  parseTarget,
  rememberInstall,
  removeHost,
  setTransport,
} from '../../src/hosts/profiles.ts';
import { shellLine } from '../../src/hosts/quote.ts';
import { type LinkEvent, type LinkState, nextLink } from '../../src/hosts/reconnect.ts';

const run = promisify(execFile);

describe('where a host is, as people and providers write it', () => {
  it.each([
    ['gpu', 'gpu', []],
    ['me@gpu.example.com', 'me@gpu.example.com', []],
    ['me@gpu.example.com:4022', 'me@gpu.example.com', ['-p', '4022']],
    ['ssh -p 4022 -i /keys/k root@1.2.3.4', 'root@1.2.3.4', ['-p', '4022', '-i', '/keys/k']],
    ['ssh root@1.2.3.4 -p 4022', 'root@1.2.3.4', ['-p', '4022']],
    ['ssh -p4022 root@1.2.3.4', 'root@1.2.3.4', ['-p', '4022']],
    ['  /usr/bin/ssh  -l root   1.2.3.4 ', '1.2.3.4', ['-l', 'root']],
    ['ssh -i "~/my keys/k" gpu', 'gpu', ['-i', '~/my keys/k']],
    ["ssh -i '~/my keys/k' -- gpu", 'gpu', ['-i', '~/my keys/k']],
    ['ssh -i keys/k gpu', 'gpu', ['-i', join(process.cwd(), 'keys/k')]],
    ['ssh -J a,b:22 gpu', 'gpu', ['-J', 'a,b:22']],
    ['ssh://root@1.2.3.4:4022', 'root@1.2.3.4', ['-p', '4022']],
    ['root@[2001:db8::1]:4022', 'root@2001:db8::1', ['-p', '4022']],
    ['root@2001:db8::1', 'root@2001:db8::1', []],
    ['[fe80::1%eth0]', 'fe80::1%eth0', []],
    ['me@example.com@gpu', 'me@example.com@gpu', []],
  ])('reads %s', (text, target, sshArguments) => {
    expect(parseTarget(text)).toEqual({ target, sshArguments });
  });

  it.each([
    ['', 'No host is given', 'user@host'],
    ['ssh -p 4022', 'No host is given', 'user@host'],
    ['ssh gpu -o StrictHostKeyChecking=no', '"-o" is not understood', '~/.ssh/config'],
    ['ssh -oProxyCommand=x gpu', '"-oProxyCommand=x" is not understood', '~/.ssh/config'],
    ['ssh -p 4022 root@1.2.3.4 -L 8080:localhost:8080', '"-L" is not understood', 'leave it out'],
    ['ssh -A gpu', '"-A" is not understood', 'keys stay'],
    ['ssh gpu nvidia-smi', '"nvidia-smi" is not understood', 'no program'],
    ['ssh gpu -p', '"-p" lacks its value', '-p port'],
    ['gpu:99999', '"99999" is no port', 'user@host'],
    ['ssh -p x gpu', '"x" is no port', 'user@host'],
    ['ssh -p 1 gpu:2', 'Two ports are given', 'user@host'],
    ['-p', '"-p" lacks its value', '-p port'],
    ['a:b', 'This is no name of a host', 'user@host'],
  ])('does not take %s, and says what to write', (text, message, hint) => {
    expect(() => parseTarget(text)).toThrow(
      expect.objectContaining({ code: 'settings', message, hint: expect.stringContaining(hint) }),
    );
  });

  it('never hands on a word that ssh would take for an option', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('-', 'o', 'a', '@', ':', '[', ']', ' ', '"', '1', '/', '%') }),
        (text) => {
          try {
            expect(parseTarget(text).target).not.toMatch(/^-|\s/);
          } catch (error) {
            expect(error).toMatchObject({ name: 'ParaError' });
          }
        },
      ),
      { numRuns: 5000, seed: 3 },
    );
  });
});

describe('words for the shell of a host', () => {
  const shells = ['sh', 'dash', 'bash', 'zsh', 'fish', 'csh', 'tcsh', 'mksh', 'busybox']
    .flatMap((name) => ['/bin', '/usr/bin'].map((folder) => join(folder, name)))
    .filter(
      (path, i, all) => existsSync(path) && all.findIndex((p) => p.endsWith(path.split('/').at(-1)!)) === i,
    );

  const word = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.string({ unit: fc.constantFrom(...' \t\'"\\!$`*?[]{}()<>|&;#~^=%-+@:,./aZ0é\u0001\u001b\u007f') }),
    fc.constantFrom(
      '',
      '-n',
      '--',
      '!!',
      '!$',
      '~root',
      '$(id)',
      '`id`',
      '\\',
      "'",
      "'\\''",
      '#x',
      '=x',
      '%1',
      '^a^b',
      '{a,b}',
    ),
  );

  it.each(shells)('come out of %s as they went in', async (shell) => {
    const args = shell.endsWith('busybox') ? ['sh', '-c'] : ['-c'];
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(word, { maxLength: 8 }), { minLength: 1, maxLength: 40 }),
        async (vectors) => {
          // Well-formed UTF-8, and no word that no line can carry.
          const clean = vectors.map((words) =>
            words.map((w) =>
              Buffer.from(w)
                .toString()
                .replace(/[\0\r\n]/g, ''),
            ),
          );
          // One shell for many lines: a process each would take minutes.
          const lines = clean
            .map((words) => shellLine(['/usr/bin/env', 'printf', '<%s>', ...words]))
            .join('; echo;');
          const { stdout } = await run(shell, [...args, lines]);
          expect(stdout).toBe(clean.map((words) => words.map((w) => `<${w}>`).join('') || '<>').join('\n'));
        },
      ),
      { numRuns: 30, seed: 1 },
    );
  });

  it('hold no line end and no NUL', () => {
    for (const bad of ['a\nb', 'a\rb', 'a\0b']) expect(() => shellLine(['echo', bad])).toThrow('line end');
  });

  it('are tried on the shells that are here', () => {
    expect(shells.length).toBeGreaterThanOrEqual(process.env.CI ? 6 : 2);
  });
});

describe('taking a lost link up again', () => {
  const event: fc.Arbitrary<LinkEvent> = fc.oneof(
    fc.constantFrom<LinkEvent>({ type: 'opened' }, { type: 'waited' }, { type: 'now' }, { type: 'stop' }),
    fc.record({
      type: fc.constant('lost' as const),
      final: fc.boolean(),
      random: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
    }),
  );
  const begin = { at: 'connecting', attempt: 0 } as LinkState;

  it('never gives up by itself, and waits between a quarter of a second and half a minute', () => {
    let state = begin;
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), { maxLength: 2000 }),
        (draws) => {
          state = begin;
          for (const random of draws) {
            state = nextLink(state, { type: 'lost', final: false, random });
            if (state.at !== 'waiting') throw new Error(`not waiting: ${state.at}`);
            expect(state.delayMs).toBeGreaterThanOrEqual(250);
            expect(state.delayMs).toBeLessThanOrEqual(30_000);
            state = nextLink(state, { type: 'waited' });
            expect(state.at).toBe('connecting');
          }
        },
      ),
      { numRuns: 50, seed: 2 },
    );
  });

  it('doubles its waits, each drawn from the upper half, so that many clients do not come at once', () => {
    const waits = (random: number) => {
      const delays: number[] = [];
      let state = begin;
      for (let i = 0; i < 9; i++) {
        state = nextLink(state, { type: 'lost', final: false, random });
        if (state.at === 'waiting') delays.push(state.delayMs);
        state = nextLink(state, { type: 'waited' });
      }
      return delays;
    };
    expect(waits(0)).toEqual([250, 500, 1000, 2000, 4000, 8000, 15000, 15000, 15000]);
    const most = waits(1 - 2 ** -53);
    expect(most).toEqual([500, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000]);
  });

  it('begins with short waits again once it was connected', () => {
    let state: LinkState = { at: 'connecting', attempt: 12 };
    state = nextLink(state, { type: 'opened' });
    expect(nextLink(state, { type: 'lost', final: false, random: 0 })).toMatchObject({ delayMs: 250 });
  });

  it('connects at once on "now", stays stopped on "stop", and takes up again only on "now"', () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 40 }), (events) => {
        let state = begin;
        for (const next of events) {
          const before = state;
          state = nextLink(state, next);
          if (next.type === 'stop') expect(state.at).toBe('stopped');
          if (next.type === 'now')
            expect(state.at).toBe(before.at === 'connected' ? 'connected' : 'connecting');
          if (before.at === 'stopped' && next.type !== 'now') expect(state.at).toBe('stopped');
          if (next.type === 'lost' && before.at !== 'stopped')
            expect(state).toMatchObject(
              next.final ? { at: 'stopped', reason: 'refused' } : { at: 'waiting' },
            );
        }
      }),
      { numRuns: 2000, seed: 4 },
    );
  });
});

describe('the list of hosts', () => {
  const home = mkdtempSync(join(tmpdir(), 'para-hosts-'));
  afterAll(() => rmSync(home, { recursive: true, force: true }));

  it('keeps what was added, and says so when its file was damaged', () => {
    process.env.PARA_HOME = home;
    const gpu = {
      name: 'gpu',
      transport: 'ssh2',
      root: '.para-studio',
      ...parseTarget('me@gpu:22'),
    } as const;
    addHost(gpu);
    expect(listHosts()).toEqual([gpu]);
    expect(findHost('gpu')).toEqual(gpu);
    expect(() => addHost(gpu)).toThrow(expect.objectContaining({ code: 'exists' }));
    expect(() => addHost({ ...gpu, name: '../gpu' })).toThrow(expect.objectContaining({ code: 'settings' }));
    rememberInstall('gpu', { proxy: 'http://proxy:1' });
    addHost({ ...gpu, target: 'me@other' }, true);
    expect(listHosts()).toEqual([{ ...gpu, target: 'me@other', install: { proxy: 'http://proxy:1' } }]);
    setTransport('gpu', 'openssh');
    expect(findHost('gpu')).toMatchObject({ transport: 'openssh', target: 'me@other', root: gpu.root });
    expect(() => setTransport('cpu', 'ssh2')).toThrow(expect.objectContaining({ code: 'host' }));
    removeHost('gpu');
    expect(() => findHost('gpu')).toThrow(expect.objectContaining({ code: 'host' }));
    for (const text of [
      '{',
      '{}',
      '[1]',
      '[{"name":"x"}]',
      '[{"name":"x","root":"y","transport":"telnet"}]',
    ]) {
      writeFileSync(join(home, 'hosts.json'), text);
      expect(() => listHosts()).toThrow(
        expect.objectContaining({ code: 'settings', where: expect.stringContaining(home) }),
      );
    }
  });
});
