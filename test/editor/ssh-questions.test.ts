import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import {
  excused,
  fingerprint,
  makeKey,
  noUsers,
  Sshd,
  type SshdOptions,
} from '../../remote-agent/test/hosts/sshd.ts';
import type { Editor } from './driver/editor.ts';
import { noEditor } from './driver/requirements.ts';
import { scene } from './driver/scene.ts';
import { type Supplies, supplyHosts } from './fresh-host.ts';
import { nameHost } from './gpu-host.ts';
import { startTwoQuestionsHost, type TwoQuestionsHost } from './two-questions-host.ts';

const pam = [
  'auth required pam_unix.so nodelay',
  'account required pam_permit.so',
  'session required pam_permit.so',
].join('\n');

describe.skipIf(excused(noEditor ?? noUsers))('what SSH asks, in the editor', () => {
  const servers: Sshd[] = [];
  let editor: Editor;
  let supplies: Supplies;
  let twoQuestions: TwoQuestionsHost | undefined;

  scene({}, async (started) => {
    editor = started;
    supplies = await supplyHosts(editor.server);
    await editor.views.open('PaRa Studio');
  });
  afterAll(() => supplies?.stop());
  afterAll(() => twoQuestions?.stop());
  afterAll(async () => {
    for (const server of servers) await server.stop();
  });

  async function serve(name: string, options: SshdOptions, lines: readonly string[] = []): Promise<Sshd> {
    const sshd = await Sshd.start(options);
    servers.push(sshd);
    nameHost(name, sshd, editor.server.home, lines);
    return sshd;
  }
  /** Adds a host by its name in the SSH configuration, and trusts its key. */
  const add = async (name: string) => {
    await editor.input.run('PaRa: Add Host');
    await editor.input.asked('Add Host');
    await editor.input.pick(name);
    await editor.input.asked('Add Host: its name');
    await editor.input.accept();
    await editor.dialogs.press('Trust This Key');
  };
  /** Answers a box that hides what is typed. */
  const answer = async (title: string | RegExp, text: string) => {
    await editor.input.asked(title);
    expect(await editor.input.isSecret()).toBe(true);
    await editor.input.enter(text);
  };
  const checked = async (name: string) => {
    await editor.input.asked(`Check of ${name}`);
    await editor.input.cancel();
  };

  it('asks for the passphrase of a key, again where it was wrong, and keeps it where it is to', async () => {
    const key = join(editor.server.home, '.ssh/id_locked');
    const authorized = [makeKey(key, 'ed25519', { passphrase: 'correct horse' })];
    await serve('locked', { authorized }, [`IdentityFile ${key}`, 'IdentitiesOnly yes']);
    await add('locked');
    await answer(/id_locked/, 'battery');
    await editor.input.asked(/^That was not right\./);
    await editor.input.press('Remember it in the secret storage of the editor');
    await editor.screen('ssh-questions/passphrase');
    await answer(/^That was not right\./, 'correct horse');
    await checked('locked');
    await editor.reload();
    await editor.input.run('PaRa: Check Host');
    await editor.input.asked('Check which host?');
    await editor.input.pick('locked');
    await checked('locked');
  });

  it('installs the agent there from the palette', async () => {
    await editor.input.run('PaRa: Install Agent');
    await editor.notices.wait(/^The agent .* is installed on locked\.$/, 240_000);
    expect(existsSync(join(servers[0]!.home, '.para-studio/agent/current/para-agent'))).toBe(true);
    await editor.views.open('PaRa Studio');
    await expect
      .poll(() => editor.views.rows('Hosts'), { timeout: 60_000 })
      .toContainEqual(expect.stringMatching(/^locked .*connected/));
  });

  it('connects again, and takes the agent away from there', async () => {
    await editor.input.run('PaRa: Reconnect');
    await editor.input.asked('Reconnect to which host?');
    await editor.input.pick('locked');
    const state = async () => (await editor.views.rows('Hosts')).find((row) => row.startsWith('locked'));
    await expect.poll(state).toMatch(/^locked \| connected/);
    await editor.input.run('PaRa: Uninstall Agent');
    expect(await editor.dialogs.text()).toContain('Remove the agent from locked?');
    await editor.dialogs.press('Uninstall');
    await editor.notices.wait('The agent is removed from locked.', 60_000);
    expect(existsSync(join(servers[0]!.home, '.para-studio/agent'))).toBe(false);
  });

  it('asks for a password', async () => {
    const { user } = await serve('guarded', {
      ...{ user: 'throwaway', password: 'correct horse' },
      config: ['PasswordAuthentication yes'],
    });
    await add('guarded');
    await answer(new RegExp(user), 'correct horse');
    await checked('guarded');
  });

  it('stops at a host whose key is another than before, and is not waved away', async () => {
    const { folder } = servers[0]!;
    const key = join(folder, 'host_ed25519');
    const before = fingerprint(`${key}.pub`);
    for (const file of [key, `${key}.pub`]) rmSync(file);
    makeKey(key);
    await servers[0]!.restart();
    await editor.notices.clear();
    await editor.input.run('PaRa: Check Host');
    await editor.input.pick('locked');
    const text = await editor.dialogs.text();
    await editor.notices.gone();
    expect(text).toContain('The host shows another key than the one known');
    for (const shown of [before, fingerprint(`${key}.pub`)]) expect(text).toContain(shown);
    await editor.screen('ssh-questions/changed-key');
    expect(await editor.dialogs.wave()).toBe(false);
    await editor.dialogs.press('Do Not Connect');
  });

  it("offers the system's ssh where only that can connect, and goes on with it", async () => {
    const key = join(editor.server.home, '.ssh/id_strict');
    const revoked = join(editor.server.home, '.ssh/revoked_keys');
    writeFileSync(revoked, '');
    await serve('strict', { authorized: [makeKey(key)] }, [
      ...[`IdentityFile ${key}`, 'IdentitiesOnly yes'],
      `RevokedHostKeys ${revoked}`,
    ]);
    await editor.input.run('PaRa: Add Host');
    await editor.input.asked('Add Host');
    await editor.input.pick('strict');
    await editor.input.asked('Add Host: its name');
    await editor.input.accept();
    await editor.input.asked('Check of strict');
    expect(await editor.input.text()).toContain('sets RevokedHostKeys');
    await editor.input.pick("Connect to strict by the system's ssh");
    await editor.dialogs.press('Trust This Key');
    await editor.input.asked('Check of strict');
    expect(await editor.input.text()).toContain('libraries');
    await editor.input.cancel();
    const hosts = JSON.parse(
      readFileSync(join(editor.server.home, '.local/share/para-studio/hosts.json'), 'utf8'),
    );
    expect(hosts).toContainEqual(expect.objectContaining({ name: 'strict', transport: 'openssh' }));
  });

  it('asks what the host itself wants to know', async () => {
    await serve('asking', {
      ...{ user: 'throwaway', password: 'correct horse', pam },
      config: ['KbdInteractiveAuthentication yes'],
    });
    await add('asking');
    await answer(/./, 'correct horse');
    await checked('asking');
  });

  it('asks for a password and a code in turn where a host wants both at once, and again where they were wrong', async () => {
    twoQuestions = await startTwoQuestionsHost(['correct horse', '123456']);
    nameHost('twofold', twoQuestions, editor.server.home, []);
    await add('twofold');
    await answer(/\(1\/2\)/, 'correct horse');
    const code = async (title: RegExp, text: string) => {
      await editor.input.asked(title);
      expect(await editor.input.isSecret()).toBe(false);
      expect(await editor.input.text()).toContain('Verification code');
      if (text === '123456') await editor.screen('ssh-questions/two-fields');
      await editor.input.enter(text);
    };
    await code(/\(2\/2\)/, '654321');
    await answer(/^That was not right\..*\(1\/2\)/, 'correct horse');
    await code(/^That was not right\..*\(2\/2\)/, '123456');
    await checked('twofold');
  });

  it('connects to nothing where a question is left without an answer', async () => {
    await editor.reload();
    await editor.input.run('PaRa: Check Host');
    await editor.input.pick('guarded');
    await editor.input.asked(/@/);
    await editor.input.cancel();
    await editor.input.asked('Check of guarded');
    expect(await editor.input.text()).toContain('The login needs an answer that was not given');
    await editor.input.cancel();
  });

  it('forgets a host that is removed', async () => {
    await editor.input.run('PaRa: Remove Host');
    await editor.input.pick('asking');
    await editor.dialogs.press('Remove');
    await editor.views.open('PaRa Studio');
    const names = async () => (await editor.views.rows('Hosts')).map((row) => row.split(' | ')[0]);
    await expect.poll(names).toEqual(['this machine', 'locked', 'guarded', 'strict', 'twofold']);
  });
});
