import { spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { readEvents } from '../../src/jobs/event-log.ts';
import { jobFiles } from '../../src/jobs/job.ts';
import { robotSubject } from './agent-host.ts';
import { Person } from './install/person.ts';
import {
  fillShelf,
  makeProgram,
  type Program,
  plainPrograms,
  raiseVersion,
  type Shelf,
} from './install/program.ts';
import { PassingProxy, Registry } from './install/registry.ts';
import { allPids, killHard, wordsOf } from './processes.ts';
import { adapterHash, eventful, undisturbed } from './run-checks.ts';

const work = mkdtempSync(join(tmpdir(), 'para-install-'));
let shelf: Shelf;
let registry: Registry;
let program: Program;
let path: string;
let made = 0;

beforeAll(async () => {
  shelf = await fillShelf(join(work, 'shelf'));
  program = makeProgram(join(work, 'program'), shelf.lock);
  path = plainPrograms(join(work, 'programs'));
});
afterEach(() => registry?.stop());
afterAll(() => rmSync(work, { recursive: true, force: true }));

/** Somebody with a fresh home on a machine without Node, and a host that is this machine. */
async function newcomer(using = program, searchPath = path): Promise<Person> {
  registry = await Registry.start(shelf.files);
  const person = new Person(join(work, `person-${made++}`), using, searchPath, registry.url);
  await person.run(['host', 'add', 'there', '--transport', 'local']);
  return person;
}
const until = async (isSo: () => boolean) => {
  while (!isSo()) await new Promise((go) => setTimeout(go, 50));
};
const rootOf = (person: Person) => join(person.home, '.para-studio');
const versionOf = (person: Person) => readlinkSync(join(rootOf(person), 'agent/current'));
const nodeName = () => `node-linux-${process.arch}-${process.versions.node}.tgz`;

/** Everything below a folder, with its permissions. */
function treeOf(folder: string): { path: string; mode: number }[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isSymbolicLink())
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => ({ path, mode: statSync(path).mode & 0o777 }));
}

it('brings Node, runtime, base and agent to a host with nothing, each file once, all of it under one folder', async () => {
  const person = await newcomer();
  const before = await person.run(['host', 'check', 'there']);
  expect(before).toMatch(/Node +ok +none yet: installing brings/);
  expect(before).toMatch(/agent +note +not installed\n.*para host install there/);
  const said = await person.run(['host', 'install', 'there']);
  expect(said).toContain(`installed ${versionOf(person)} on there`);
  expect(readdirSync(person.home)).toEqual(['.para-studio']);
  expect(readdirSync(rootOf(person)).sort()).toEqual(['.para-host', 'agent', 'node', 'runtime', 'shipped']);
  for (const { path, mode } of treeOf(rootOf(person)))
    if (!/node_modules|\/node\//.test(path)) expect([path, mode & 0o077]).toEqual([path, 0]);
  const facts = await person.ask(rootOf(person));
  expect(facts).toMatchObject({ agent: '0.1.0', node: process.versions.node, home: rootOf(person) });
  expect(await person.run(['host', 'check', 'there'])).toContain(`agent        ok     ${versionOf(person)}`);
  const counts = registry.counts();
  expect(Object.keys(counts).sort()).toEqual([...shelf.files.keys()].sort());
  expect(Object.values(counts).every((times) => times === 1)).toBe(true);
  // Again: nothing is fetched, nothing is sent.
  const again = await person.run(['host', 'install', 'there']);
  expect(again).not.toMatch(/fetch|sending/);
  expect(registry.counts()).toEqual(counts);
});

it('uses the Node of a host that has one', async () => {
  const person = await newcomer();
  const own = join(work, 'with-node');
  plainPrograms(own);
  mkdirSync(own, { recursive: true });
  writeFileSync(join(own, 'node'), `#!/bin/sh\nexec '${process.execPath}' "$@"\n`, { mode: 0o755 });
  person.env.PATH = own;
  await person.run(['host', 'install', 'there']);
  expect(existsSync(join(rootOf(person), 'node'))).toBe(false);
  expect(await person.ask(rootOf(person))).toMatchObject({ node: process.versions.node });
  expect(registry.counts()[nodeName()]).toBeUndefined();
});

it('goes on where the client was killed, whenever that is, and fetches no byte again that was there', async () => {
  const person = await newcomer();
  registry.rate = 30e6;
  const install = ['host', 'install', 'there'];
  const root = rootOf(person);
  const runtime = [...shelf.files.keys()].find((file) => file.startsWith('onnxruntime-node'))!;
  const half = (file: string) => () =>
    registry.asked.some((one) => one.file === file && one.sent > shelf.lock.files[file]!.size / 2);
  for (const point of [half(nodeName()), half(runtime), /sending bases/, /unpacking/, /trying it out/]) {
    await person.killOnce(install, point);
    expect(existsSync(join(root, 'agent/current'))).toBe(false);
  }
  const before = registry.asked.length;
  await person.run(install);
  expect(await person.ask(root)).toMatchObject({ agent: '0.1.0' });
  expect(registry.asked.length).toBe(before);
  for (const file of shelf.files.keys()) {
    const asked = registry.asked.filter((one) => one.file === file);
    const cut = file === nodeName() || file === runtime;
    expect([file, asked.length]).toEqual([file, cut ? 2 : 1]);
    if (cut) expect(asked[1]!.from).toBeGreaterThan(shelf.lock.files[file]!.size / 4);
  }
});

it('leaves the old version at work until the new one is whole, and takes the old away once nothing runs from it', async () => {
  const person = await newcomer();
  const root = rootOf(person);
  const install = ['host', 'install', 'there'];
  await person.run(install);
  const old = versionOf(person);
  // A process of the old version, as a supervisor would be; it holds on over the change.
  const busy = spawn('sh', [join(root, 'agent/current/para-agent'), 'serve'], { stdio: 'pipe' });
  await new Promise((resolve) => busy.stdout.once('data', resolve));

  const newer = makeProgram(join(work, 'newer'), shelf.lock);
  await raiseVersion(newer, '0.2.0');
  const later = new Person(join(work, `person-${made - 1}`), newer, path, registry.url);
  for (const point of [/sending agent/, /unpacking/, /trying it out/]) {
    await later.killOnce(install, point);
    expect(await later.ask(root)).toMatchObject({ agent: '0.1.0' });
  }
  const asked = registry.asked.length;
  const said = await later.run(install);
  expect(said).toContain(`kept for running jobs: ${old}`);
  expect(said).not.toContain('sending bases');
  expect(registry.asked.length).toBe(asked);
  expect(await later.ask(root)).toMatchObject({ agent: '0.2.0' });
  expect(existsSync(join(root, 'agent', old))).toBe(true);

  busy.kill('SIGKILL');
  await new Promise((resolve) => busy.once('close', resolve));
  expect(await later.run(install)).toContain(`removed, no longer used: ${old}`);
  expect(readdirSync(join(root, 'agent')).sort()).toEqual([versionOf(later), 'current'].sort());
});

it('lets a job end with the version it started with, though its trainer is killed; what waits gets the new one', async () => {
  const person = await newcomer();
  const root = rootOf(person);
  await person.run(['host', 'install', 'there']);
  const old = versionOf(person);
  const subject = robotSubject(work, {
    ...eventful,
    training: { steps: 400, seed: 3 },
    samples: { every: 0 },
  });
  const runs = join(person.env.PARA_HOME!, 'runs');
  for (let i = 0; i < 2; i++) await person.run(['train', subject, '--host', 'there', '--detach']);
  const trainer = () =>
    allPids().find((pid) =>
      wordsOf(pid).some((word) => word.startsWith(root) && word.endsWith('trainer.js')),
    );
  const versionAtWork = () => {
    const words = wordsOf(trainer() ?? 0);
    return words
      .find((word) => word.endsWith('trainer.js'))
      ?.slice(`${root}/agent/`.length)
      .split('/')[0];
  };
  await until(() => versionAtWork() === old);
  const newer = makeProgram(join(work, 'newer-beside-a-job'), shelf.lock);
  await raiseVersion(newer, '0.2.0');
  const later = new Person(join(work, `person-${made - 1}`), newer, path, registry.url);
  expect(await later.run(['host', 'install', 'there'])).toContain(`kept for running jobs: ${old}`);
  const killed = trainer()!;
  killHard(killed);
  await until(() => trainer() !== undefined && trainer() !== killed);
  expect(versionAtWork()).toBe(old);
  await until(() => versionAtWork() === versionOf(later));
  expect(versionOf(later)).not.toBe(old);
  for (const run of readdirSync(runs)) {
    await later.run(['show', run, '--follow']);
    expect(readEvents(jobFiles(join(runs, run)).events).at(-1)?.type).toBe('finished');
  }
  const first = join(runs, readdirSync(runs).sort()[0]!);
  expect(adapterHash(first)).toBe(await undisturbed(first, work));
  // Its supervisor may just be ending.
  await until(() => !allPids().some((pid) => wordsOf(pid).join(' ').includes(old)));
  expect(await later.run(['host', 'install', 'there'])).toContain(`removed, no longer used: ${old}`);
});

it('sends everything from here where the host has no way to a registry, and goes on after a cut', async () => {
  const person = await newcomer();
  // Only the host is told of this proxy, and nothing answers there.
  const install = ['host', 'install', 'there', '--proxy', 'http://127.0.0.1:9'];
  const part = join(rootOf(person), 'setup', `${nodeName()}.part`);
  await person.killOnce(install, () => existsSync(part) && statSync(part).size > 1e6);
  const sent = statSync(part).size;
  expect(sent).toBeLessThan(shelf.lock.files[nodeName()]!.size);
  const said = await person.run(install);
  const resumed = new RegExp(`sending ${nodeName()} {2}([0-9.]+) MB`).exec(said);
  expect(Number(resumed![1]) * 1e6).toBeGreaterThan(sent - 1e5);
  expect(said).toMatch(/files are sent from here: 127\.0\.0\.1:\S+ ECONNREFUSED/);
  expect(await person.ask(rootOf(person))).toMatchObject({ agent: '0.1.0', node: process.versions.node });
  // This machine fetched each file once, and kept it for the next host.
  expect(Object.values(registry.counts()).every((times) => times === 1)).toBe(true);
  await registry.stop();
  await person.run(['host', 'add', 'second', '--transport', 'local', '--root', 'elsewhere/para']);
  await person.run(['host', 'install', 'second', '--no-fetch']);
  expect(await person.ask(join(person.home, 'elsewhere/para'))).toMatchObject({ agent: '0.1.0' });
});

it('fetches through a proxy, and over a way that cuts every answer short', async () => {
  const person = await newcomer();
  const proxy = await PassingProxy.start();
  registry.cutAfter = Math.ceil(shelf.lock.files[nodeName()]!.size / 2.5);
  const said = await person.run(['host', 'install', 'there', '--proxy', proxy.url]);
  expect(said).not.toContain('sent from here');
  expect(await person.ask(rootOf(person))).toMatchObject({ agent: '0.1.0' });
  expect(new Set(proxy.targets)).toEqual(new Set([new URL(registry.url).host]));
  const node = registry.asked.filter(({ file }) => file === nodeName());
  expect(node.map(({ from }) => from > 0)).toEqual([false, true, true]);
  // The next time it goes there unsaid, until that is taken back.
  const root = rootOf(person);
  expect(readFileSync(join(root, 'proxy'), 'utf8')).toBe(`${proxy.url}\n`);
  const through = proxy.targets.length;
  expect(await person.run(['base', 'import', `${registry.url}/base.zip`, '--host', 'there'], 1)).toContain(
    '404',
  );
  expect(proxy.targets.slice(through)).toEqual([new URL(registry.url).host]);
  expect(await person.run(['host', 'check', 'there'])).toMatch(/npm reached, PyPI/);
  expect(proxy.targets.length).toBeGreaterThan(through + 1);
  const list = await person.run(['host', 'list']);
  expect(list).toContain(`proxy: ${proxy.url}`);
  rmSync(join(root, 'agent'), { recursive: true });
  rmSync(join(root, 'runtime'), { recursive: true });
  const asked = proxy.targets.length;
  await person.run(['host', 'install', 'there', '--runtime', 'cpu']);
  expect(proxy.targets.length).toBeGreaterThan(asked);
  expect(await person.run(['host', 'check', 'there'])).toMatch(/CUDA +ok +the processor, as it was said/);
  await person.run(['host', 'install', 'there', '--proxy', 'default', '--runtime', 'default']);
  expect(await person.run(['host', 'list'])).not.toMatch(/proxy|runtime/);
  expect(existsSync(join(root, 'proxy'))).toBe(false);
  proxy.stop();
});

it('does not write a login down that a mirror needs', async () => {
  const person = await newcomer();
  const secret = registry.url.replace('//', '//ada:tell-nobody@');
  await person.run(['host', 'install', 'there', '--npm-registry', secret, '--pypi', registry.url]);
  const list = readFileSync(join(person.env.PARA_HOME!, 'hosts.json'), 'utf8');
  expect(list).toContain(registry.url);
  expect(list).not.toContain('tell-nobody');
  expect(statSync(join(person.env.PARA_HOME!, 'hosts.json')).mode & 0o777).toBe(0o600);
  expect(statSync(person.env.PARA_HOME!).mode & 0o777).toBe(0o700);
});

it('shows nobody on the host a login that a proxy needs', async () => {
  const person = await newcomer();
  const proxy = await PassingProxy.start();
  const shown: string[] = [];
  const look = setInterval(() => {
    for (const pid of allPids()) shown.push(...wordsOf(pid).filter((word) => word.includes('tell-nobody')));
  }, 5);
  const secret = proxy.url.replace('//', '//ada:tell-nobody@');
  const said = await person.run(['host', 'check', 'there', '--proxy', secret]);
  expect(said).toContain('npm not tried');
  const installed = person.start(['host', 'install', 'there', '--proxy', secret]);
  expect((await installed).code).toBe(0);
  clearInterval(look);
  // The words of the command that the person typed are their own.
  expect(shown.filter((word) => word !== secret)).toEqual([]);
  expect(existsSync(join(rootOf(person), 'proxy'))).toBe(false);
  proxy.stop();
});

it('leaves what was downloaded so far of a base', async () => {
  const person = await newcomer();
  await person.run(['host', 'install', 'there']);
  const part = join(rootOf(person), 'downloads', '0'.repeat(32), 'base.part');
  mkdirSync(join(part, '..'), { recursive: true });
  writeFileSync(part, 'half a base');
  await person.run(['host', 'install', 'there']);
  expect(readFileSync(part, 'utf8')).toBe('half a base');
});

it('takes no file with other bytes than the lock names, and no Node either', async () => {
  const person = await newcomer();
  registry.damage = /^sharp-0/;
  const said = await person.run(['host', 'install', 'there'], 1);
  expect(said).toContain('A registry gave other bytes than the lock file names');
  expect(existsSync(join(rootOf(person), 'agent/current'))).toBe(false);
  registry.damage = /^node-linux/;
  const other = new Person(join(work, `person-${made++}`), program, path, registry.url);
  await other.run(['host', 'add', 'there', '--transport', 'local']);
  expect(await other.run(['host', 'install', 'there'], 1)).toContain(
    'A registry gave other bytes than the lock file names',
  );
  expect(existsSync(join(rootOf(other), 'node', `${process.versions.node}-${process.arch}`))).toBe(false);
  registry.damage = undefined;
  await other.run(['host', 'install', 'there']);
  expect(await other.ask(rootOf(other))).toMatchObject({ agent: '0.1.0' });
});

it('installs once at a time', async () => {
  const person = await newcomer();
  await person.run(['host', 'install', 'there']);
  rmSync(join(rootOf(person), 'runtime'), { recursive: true });
  // The first one stays at its first file until the second has given up.
  registry.rate = 0.5e6;
  const before = registry.asked.length;
  const first = person.start(['host', 'install', 'there']);
  while (registry.asked.length === before) await new Promise((go) => setTimeout(go, 20));
  const second = await person.run(['host', 'install', 'there'], 1);
  expect(second).toContain('Another installation is at work on this host');
  registry.rate = 0;
  expect((await first).code).toBe(0);
});

it('uninstalls that folder and nothing else, and never jobs without a yes', async () => {
  const person = await newcomer();
  const root = rootOf(person);
  writeFileSync(join(person.home, 'letter.txt'), 'mine');
  expect(await person.run(['host', 'uninstall', 'there'])).toContain(
    'nothing was removed: nothing is installed',
  );
  await person.run(['host', 'install', 'there']);
  mkdirSync(join(root, 'runs/one'), { recursive: true });
  const refused = await person.run(['host', 'uninstall', 'there'], 1);
  expect(refused).toContain('1 jobs with their results are on there');
  expect(refused).toContain('para host uninstall there --yes');
  expect(existsSync(join(root, 'agent/current'))).toBe(true);
  const busy = spawn('sh', [join(root, 'agent/current/para-agent'), 'serve'], { stdio: 'pipe' });
  await new Promise((resolve) => busy.stdout.once('data', resolve));
  const gone = new Promise((resolve) => busy.once('close', resolve));
  expect(await person.run(['host', 'uninstall', 'there', '--yes'])).toContain(
    'removed .para-studio on there',
  );
  await gone;
  expect(readdirSync(person.home)).toEqual(['letter.txt']);
});

it('takes no folder that holds something else, to install or to uninstall', async () => {
  const person = await newcomer();
  mkdirSync(join(person.home, 'data'));
  writeFileSync(join(person.home, 'data/thesis.txt'), 'mine');
  await person.run(['host', 'add', 'careless', '--transport', 'local', '--root', 'data']);
  expect(await person.run(['host', 'install', 'careless'], 1)).toContain(
    'The folder on the host holds something else',
  );
  await person.run(['host', 'uninstall', 'careless', '--yes']);
  expect(readFileSync(join(person.home, 'data/thesis.txt'), 'utf8')).toBe('mine');
  expect(readdirSync(join(person.home, 'data'))).toEqual(['thesis.txt']);
});
