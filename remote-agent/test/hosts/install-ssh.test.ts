import { existsSync, mkdtempSync, readdirSync, readlinkSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { checkRows } from '../../src/hosts/install/check.ts';
import { installAgent } from '../../src/hosts/install/install.ts';
import { type HostPackage, openHostPackage } from '../../src/hosts/install/package.ts';
import { probeHost } from '../../src/hosts/install/probe.ts';
import type { InstallEvent } from '../../src/hosts/install/steps.ts';
import { uninstallAgent } from '../../src/hosts/install/uninstall.ts';
import type { HostProfile } from '../../src/hosts/profiles.ts';
import { nobody } from '../../src/hosts/prompter.ts';
import { HostSession } from '../../src/hosts/session.ts';
import { openTransport } from '../../src/hosts/transports/index.ts';
import type { Transport } from '../../src/hosts/transports/transport.ts';
import { fillShelf, makeProgram, plainPrograms, type Shelf } from './install/program.ts';
import { Registry } from './install/registry.ts';
import { Client } from './ssh-client.ts';
import { excused, noSshd, Sshd } from './sshd.ts';

/** Works on a connection of its own. */
async function over<T>(profile: HostProfile, work: (transport: Transport) => Promise<T>): Promise<T> {
  const transport = await openTransport(profile, nobody);
  try {
    return await work(transport);
  } finally {
    transport.close();
  }
}

describe.skipIf(excused(noSshd))('an installation over SSH', () => {
  const work = mkdtempSync(join(tmpdir(), 'para-install-ssh-'));
  let shelf: Shelf;
  let registry: Registry;
  let own: HostPackage;
  let client: Client;
  let sshd: Sshd | undefined;
  beforeAll(async () => {
    process.env.XDG_CACHE_HOME = join(work, 'cache');
    shelf = await fillShelf(join(work, 'shelf'));
    registry = await Registry.start(shelf.files);
    own = openHostPackage(makeProgram(join(work, 'program'), shelf.lock).host);
    client = new Client();
  });
  afterEach(() => sshd?.stop());
  afterAll(async () => {
    await registry.stop();
    client.remove();
    rmSync(work, { recursive: true, force: true });
  });

  /** A server whose login shell talks, and finds no Node. */
  async function host(...config: string[]): Promise<Sshd> {
    const path = plainPrograms(mkdtempSync(join(work, 'programs-')));
    const bashrc = `export PATH='${path}'\necho "Welcome back"; printf 'no line end'\n`;
    sshd = await Sshd.start({ authorized: [client.publicKey], banner: 'For members only\n', bashrc, config });
    client.reset().host('far', sshd).trust(sshd.knownHost());
    return sshd;
  }
  const install = (profile: HostProfile, fetch: boolean, report: (event: InstallEvent) => void = () => {}) =>
    over(profile, (transport) =>
      installAgent(
        transport,
        profile,
        own,
        { registries: { npm: registry.url, pypi: registry.url }, fetch },
        report,
      ),
    );

  it.each(['ssh2', 'openssh'] as const)('from nothing to an agent that answers, by %s', async (kind) => {
    const server = await host();
    const profile = client.profile('far', kind);
    const before = await over(profile, (transport) => probeHost(transport, profile.root));
    expect(before).toMatchObject({ root: join(server.home, '.para-studio'), systemNode: undefined });
    expect(before).toMatchObject({ agent: undefined, user: server.user });
    const registries = { npm: registry.url, pypi: registry.url };
    const bad = checkRows(before, own, profile, registries).filter(({ state }) => state === 'bad');
    expect(bad).toEqual([]);
    await expect(HostSession.open(profile)).rejects.toMatchObject({
      code: 'agent',
      hint: 'para host install far',
    });

    const done = await install(profile, true);
    expect(readdirSync(server.home).sort()).toEqual(['.bashrc', '.para-studio']);
    const session = await HostSession.open(profile);
    expect(await session.call('host/facts', {})).toMatchObject({
      agent: own.version,
      node: process.versions.node,
      home: join(server.home, '.para-studio'),
    });
    expect((await session.call('bases/list', {})).bases.map(({ name }) => name)).toEqual(['pocket-sdxl']);
    session.close();
    expect(readlinkSync(join(server.home, '.para-studio/agent/current'))).toBe(done.version);
    expect(await over(profile, (t) => uninstallAgent(t, profile, true))).toEqual({ outcome: 'removed' });
    expect(readdirSync(server.home)).toEqual(['.bashrc']);
  });

  it('goes on after the link was cut in the middle of what is sent, on a server that allows one program at a time', async () => {
    const server = await host('MaxSessions 1');
    const profile = client.profile('far');
    const node = shelf.lock.hosts[process.arch as 'x64'].node;
    const part = join(server.home, '.para-studio/setup', `${node}.part`);
    const cut = install(profile, false, (event) => {
      if (event.type === 'transfer' && event.way === 'send' && existsSync(part) && statSync(part).size > 4e6)
        server.killSessions();
    });
    await expect(cut).rejects.toMatchObject({ code: 'host' });
    const { size } = statSync(part);
    expect(size).toBeGreaterThan(4e6);
    expect(size).toBeLessThan(shelf.lock.files[node]!.size);
    const first: number[] = [];
    await install(profile, false, (event) => {
      if (event.type === 'transfer' && event.way === 'send' && event.file === node) first.push(event.done);
    });
    expect(first[0]).toBeGreaterThan(size);
    const session = await HostSession.open(profile);
    expect(await session.call('ping', {})).toEqual({});
    session.close();
  });
});
