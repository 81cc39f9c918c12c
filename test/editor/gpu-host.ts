// The machine somewhere else: a real SSH server with this checkout's agent on it, reached as a person reaches it.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { placeAgent } from '../../remote-agent/test/hosts/agent-host.ts';
import { makeKey, Sshd } from '../../remote-agent/test/hosts/sshd.ts';
import type { Editor } from './driver/editor.ts';

/**
 * Starts the server and makes it known as `name` in the `~/.ssh/config` of `home`, with a key that may log in. Its
 * host key is not known there yet.
 * @param agent whether the agent is installed on it
 */
export async function startGpuHost(name: string, home: string, { agent = true } = {}): Promise<Sshd> {
  const sshd = await Sshd.start();
  if (agent) placeAgent(join(sshd.home, '.para-studio'));
  const key = join(home, '.ssh', `id_${name}`);
  nameHost(name, sshd, home, [`IdentityFile ${key}`, 'IdentitiesOnly yes']);
  sshd.authorize(makeKey(key));
  return sshd;
}

/** Adds a host that is named there, with all that is asked on the way, and leaves the look at it. */
export async function addHost({ input, dialogs }: Editor, name: string): Promise<void> {
  await input.run('PaRa: Add Host');
  await input.pick(name);
  await input.asked('Add Host: its name');
  await input.accept();
  await dialogs.press('Trust This Key');
  await input.asked(`Check of ${name}`);
  await input.cancel();
}

/** Makes a server known as `name` in the `~/.ssh/config` of `home`, with further lines about it. */
export function nameHost(
  name: string,
  sshd: Pick<Sshd, 'port' | 'user'>,
  home: string,
  lines: readonly string[],
): void {
  const folder = join(home, '.ssh');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const all = ['HostName 127.0.0.1', `Port ${sshd.port}`, `User ${sshd.user}`, ...lines];
  writeFileSync(join(folder, 'config'), `Host ${name}\n${all.map((line) => `  ${line}\n`).join('')}`, {
    flag: 'a',
  });
}
