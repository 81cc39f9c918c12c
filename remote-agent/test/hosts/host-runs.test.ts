import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readRemote } from '../../src/hosts/remote-ref.ts';
import { readEvents } from '../../src/jobs/event-log.ts';
import { jobFiles, readStatus } from '../../src/jobs/job.ts';
import { localHost, Para, robotSubject, sshHost } from './agent-host.ts';
import { agentsUnder, allPids, cutLinks, killAmong, killHard } from './processes.ts';
import { adapterHash, eventful, expectAsUndisturbed, expectWhole, undisturbed } from './run-checks.ts';
import { excused, noSshd, Sshd } from './sshd.ts';

const work = mkdtempSync(join(tmpdir(), 'para-host-runs-'));
const subject = robotSubject(work, eventful);

afterAll(() => rmSync(work, { recursive: true, force: true }));

/** The only run of a client's home. */
const onlyRun = (home: string): string => {
  const [name, ...others] = readdirSync(join(home, 'runs'));
  expect(others).toEqual([]);
  return join(home, 'runs', name!);
};

/** Kills everything that works in the folder of a host. */
const killHost = (root: string) =>
  killAmong(allPids(), (command) => /(agent|trainer)\.js/.test(command) && command.includes(root));

describe.each(['local', 'ssh2', 'openssh'] as const)('a run on a host over %s', (transport) => {
  const isLocal = transport === 'local';
  const why = isLocal ? undefined : noSshd;
  let sshd: Sshd;
  beforeAll(async () => {
    if (!isLocal && !why)
      sshd = await Sshd.start({
        banner: 'Property of nobody\n',
        bashrc: 'echo "Welcome! {"; printf "no line end"\n',
      });
  });
  afterAll(() => sshd?.stop());

  /** The agent's folder on the host. */
  const root = () => (isLocal ? join(work, 'host') : join(sshd.home, '.para-studio'));
  /** Makes the host known to a client. */
  const host = (name: string, home: string) =>
    isLocal ? localHost(name, root(), home) : sshHost(name, sshd, home, transport);
  /** Kills the agents that a client talks to: those of this host alone, since other tests have agents too. */
  const killAgents = (client: Para) => {
    const agents = agentsUnder(isLocal ? client.child.pid! : sshd.pid, 'serve', 'blobs');
    agents.forEach(killHard);
    return agents.length;
  };
  const cut = (client: Para) => (isLocal ? killAgents(client) : cutLinks(sshd.pid));

  it.skipIf(excused(why))(
    'ends with the bytes of an undisturbed local run though the client is killed, the link cut twice and the agent killed, and loses no event',
    async () => {
      const home = join(work, `laptop-${transport}`);
      host('gpu', home);
      const first = new Para(home, ['train', subject, '--host', 'gpu', '--json']);
      await first.untilStep(10);
      first.child.kill('SIGKILL');
      await first.done;
      const directory = onlyRun(home);
      const second = new Para(home, ['show', basename(directory), '--follow', '--json']);
      await second.untilStep(40);
      expect(cut(second)).toBeGreaterThan(0);
      await second.untilStep(75);
      expect(killAgents(second)).toBeGreaterThan(0);
      await second.untilStep(110);
      expect(cut(second)).toBeGreaterThan(0);
      expect(await second.done, second.stderr).toBe(0);
      await expectAsUndisturbed(directory, second.events, work);
      expect(readdirSync(directory).filter((name) => /\.(tmp|part|lock)$/.test(name))).toEqual([]);
    },
  );

  it.skipIf(excused(why))(
    'goes on when its watcher leaves, stops when asked to, goes on again, and is found from another machine',
    async () => {
      const home = join(work, `leaver-${transport}`);
      host('c', home);
      // Long enough that it still runs when it is asked to stop, however slow this machine is.
      const watcher = new Para(home, ['train', subject, '--host', 'c', '--steps', '20000', '--json']);
      await watcher.untilStep(5);
      watcher.child.kill('SIGINT');
      expect(await watcher.done).toBe(130);
      const directory = onlyRun(home);
      const id = basename(directory);
      expect(await Para.run(home, ['runs', '--host', 'c'])).toMatch(new RegExp(`${id}\\s+running`));
      await Para.run(home, ['cancel', id]);
      await Para.run(home, ['show', id, '--follow'], 130);
      expect(readStatus(directory).state).toBe('stopped');
      const other = join(work, `other-machine-${transport}`);
      host('c', other);
      await Para.run(other, ['show', id, '--host', 'c']);
      expect(readEvents(jobFiles(join(other, 'runs', id)).events).map((e) => e.seq)).toEqual(
        readEvents(jobFiles(directory).events).map((e) => e.seq),
      );
      await Para.run(home, ['resume', id, '--steps', String(readStatus(directory).step + 20)]);
      expect(adapterHash(directory)).toBe(await undisturbed(directory, work));
      expect(existsSync(join(root(), 'runs', id, 'adapter.safetensors'))).toBe(true);
    },
  );

  it.skipIf(excused(why))('is continued to more steps, there as here', async () => {
    const home = join(work, `raiser-${transport}`);
    host('d', home);
    await Para.run(home, ['train', subject, '--host', 'd', '--steps', '30']);
    const directory = onlyRun(home);
    await Para.run(home, ['resume', basename(directory), '--steps', '50']);
    expect(readStatus(directory)).toMatchObject({ state: 'finished', step: 50 });
    expect(adapterHash(directory)).toBe(await undisturbed(directory, work));
  });
});

describe('a run on a host', () => {
  it('goes on exactly on another host from the state that came home when the first vanishes', async () => {
    const home = join(work, 'mover');
    const [a, b] = [join(work, 'host-a'), join(work, 'host-b')];
    localHost('a', a, home);
    localHost('b', b, home);
    const first = new Para(home, ['train', subject, '--host', 'a', '--json']);
    await first.untilStep(70);
    expect(killHost(a)).toBeGreaterThan(0);
    // What was just being started when the rest was killed.
    while (killHost(a) > 0);
    first.child.kill('SIGINT');
    // It may be looking for the agent just when that is gone.
    expect([1, 130]).toContain(await first.done);
    rmSync(a, { recursive: true, force: true });
    const directory = onlyRun(home);
    const said = await Para.run(home, ['resume', basename(directory), '--host', 'b']);
    expect(said).toMatch(/a is not reached .* goes on from step \d+.* para cancel \S+ --host a/);
    const events = readEvents(jobFiles(directory).events);
    expectWhole(events);
    const resumed = events.find((e) => e.type === 'resumed');
    expect(resumed).toMatchObject({ fromStep: 60 });
    expect(adapterHash(directory)).toBe(await undisturbed(directory, work));
  });

  it('that moves and is not watched is one that goes on, so that an editor brings it home', async () => {
    const home = join(work, 'leaver');
    for (const name of ['g', 'h']) localHost(name, join(work, `host-${name}`), home);
    const watcher = new Para(home, ['train', subject, '--host', 'g', '--steps', '20000', '--json']);
    await watcher.untilStep(5);
    watcher.child.kill('SIGINT');
    await watcher.done;
    const directory = onlyRun(home);
    await Para.run(home, ['resume', basename(directory), '--host', 'h', '--detach']);
    expect(readRemote(directory)?.host).toBe('h');
    expect(readStatus(directory).state).toBe('queued');
    await Para.run(home, ['cancel', basename(directory)]);
  });

  it('that still runs where it is stops there first, and goes on from its last step, on another host, then here, and then where it began', async () => {
    const home = join(work, 'caller');
    const roots = { e: join(work, 'host-e'), f: join(work, 'host-f') };
    for (const [name, root] of Object.entries(roots)) localHost(name, root, home);
    // Long enough that it still runs when it is called away, however slow this machine is.
    let watcher = new Para(home, ['train', subject, '--host', 'e', '--steps', '20000', '--json']);
    await watcher.untilStep(5);
    const directory = onlyRun(home);
    const id = basename(directory);
    const events = () => readEvents(jobFiles(directory).events);
    const resumed = () => events().filter((e) => e.type === 'resumed');
    expect(await Para.run(home, ['resume', id, '--host', 'f'], 1)).toBe('');
    for (const to of ['f', 'here', 'e']) {
      watcher.child.kill('SIGINT');
      expect(await watcher.done).toBe(130);
      const before = resumed().length;
      const left = readRemote(directory);
      const stoppedHere = readStatus(directory);
      watcher = new Para(home, ['resume', id, '--host', to, '--json']);
      await watcher.until(() => resumed().length > before);
      const there = left ? readStatus(join(roots[left.host as 'e'], 'runs', left.id)) : stoppedHere;
      expect(there.state).toBe('stopped');
      expect(resumed().at(-1)).toMatchObject({ fromStep: there.step });
    }
    watcher.child.kill('SIGINT');
    await watcher.done;
    await Para.run(home, ['cancel', id]);
    await Para.run(home, ['show', id, '--follow'], 130);
    expect(events().map((e) => e.seq)).toEqual(events().map((_, i) => i + 1));
  });
});
