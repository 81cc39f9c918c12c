// The whole way of somebody with a laptop and a machine that has sshd and nothing else.
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { Para, robotSubject } from './agent-host.ts';
import { fillShelf, makeProgram, plainPrograms } from './install/program.ts';
import { Registry } from './install/registry.ts';
import { agentsUnder, allPids, cutLinks, killHard, wordsOf } from './processes.ts';
import { eventful, expectAsUndisturbed } from './run-checks.ts';
import { excused, fingerprint, makeKey, noSshd, Sshd } from './sshd.ts';
import { Terminal } from './terminal.ts';

describe.skipIf(excused(noSshd))('from nothing', () => {
  const work = mkdtempSync(join(tmpdir(), 'para-from-nothing-'));
  const home = join(work, 'laptop');
  let sshd: Sshd | undefined;
  let registry: Registry | undefined;
  afterAll(async () => {
    await sshd?.stop();
    await registry?.stop();
    rmSync(work, { recursive: true, force: true });
  });

  it('a host is added, checked and installed, and a run on it, watched all the way though the laptop is closed, the link cut twice and the agent killed, ends with the bytes of one that was left in peace here', async () => {
    const shelf = await fillShelf(join(work, 'shelf'));
    registry = await Registry.start(shelf.files);
    const { para } = makeProgram(join(work, 'program'), shelf.lock);
    const key = join(work, 'key');
    const path = plainPrograms(join(work, 'programs'));
    const server = await Sshd.start({
      authorized: [makeKey(key)],
      banner: 'Property of nobody\n',
      bashrc: `export PATH='${path}'\necho "Welcome! {"; printf "no line end"\n`,
    });
    sshd = server;
    const env = {
      HOME: join(work, 'home'),
      XDG_CACHE_HOME: join(work, 'cache'),
      npm_config_registry: registry.url,
      PIP_INDEX_URL: registry.url,
    };
    const start = (...args: string[]) => new Para(home, args, { para, env });
    const run = async (...args: string[]) => {
      const started = start(...args);
      expect(await started.done, started.stdout + started.stderr).toBe(0);
      return started.stdout;
    };
    const root = join(server.home, '.para-studio');

    const config = join(work, 'config');
    writeFileSync(config, `Host *\n  UserKnownHostsFile ${join(work, 'known_hosts')}\n`);
    const line = `ssh -p ${server.port} -i ${key} -F ${config} ${server.user}@127.0.0.1`;
    await run('host', 'add', 'gpu', line);
    const terminal = new Terminal([process.execPath, para, 'host', 'check', 'gpu'], {
      ...env,
      PARA_HOME: home,
    });
    await terminal.until(() => terminal.shown.includes('Trust it'));
    terminal.type('yes\r');
    expect(await terminal.ended, terminal.shown).toBe(0);
    const checked = terminal.shown;
    expect(checked).toContain(fingerprint(join(server.folder, 'host_ed25519.pub')));
    expect(checked).toMatch(/not installed\s+what to do: para host install gpu/);
    await run('host', 'install', 'gpu');
    expect(readdirSync(server.home).sort()).toEqual(['.bashrc', '.para-studio']);
    expect(registry.asked.length).toBe(shelf.files.size);
    expect(await run('host', 'check', 'gpu')).toMatch(/agent +ok/);

    const subject = robotSubject(work, eventful);
    const first = start('train', subject, '--host', 'gpu', '--json');
    await first.untilStep(10);
    first.child.kill('SIGKILL');
    await first.done;
    const [name, ...others] = readdirSync(join(home, 'runs'));
    expect(others).toEqual([]);
    const directory = join(home, 'runs', name!);

    const second = start('show', basename(directory), '--follow', '--json');
    await second.untilStep(40);
    expect(cutLinks(server.pid)).toBeGreaterThan(0);
    // What trains is what was installed, on the Node that came with it.
    const trainers = allPids().filter((pid) => wordsOf(pid).some((word) => word.endsWith('trainer.js')));
    expect(trainers.some((pid) => wordsOf(pid)[0]?.startsWith(join(root, 'node')))).toBe(true);
    await second.untilStep(75);
    const agents = agentsUnder(server.pid, 'serve', 'blobs');
    expect(agents.length).toBeGreaterThan(0);
    agents.forEach(killHard);
    await second.untilStep(110);
    expect(cutLinks(server.pid)).toBeGreaterThan(0);
    expect(await second.done, second.stderr).toBe(0);

    await expectAsUndisturbed(directory, second.events, work);
    expect(await run('runs', '--host', 'gpu')).toMatch(new RegExp(`${name}\\s+finished`));
    const exported = join(work, 'robots.safetensors');
    await run('export', name!, ...['--format', 'kohya', '--as', 'lora', '--host', 'gpu'], '--out', exported);
    expect(existsSync(exported)).toBe(true);
    await run('host', 'uninstall', 'gpu', '--yes');
    expect(readdirSync(server.home)).toEqual(['.bashrc']);
  });
});
