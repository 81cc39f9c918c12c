import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, expect, test } from 'vitest';
import { adapterFrom, decodeAdapter, saveAdapter } from '../../../remote-agent/src/adapters/adapter.ts';
import { baseWeights } from '../../../remote-agent/src/adapters/base-weights.ts';
import { exportAdapter } from '../../../remote-agent/src/adapters/export.ts';
import { chooseLayers } from '../../../remote-agent/src/adapters/layers.ts';
import { para } from '../../../remote-agent/src/adapters/para.ts';
import { normals } from '../../../remote-agent/src/common/random.ts';
import { inEnglish } from '../../../remote-agent/src/common/translate.ts';
import { openBase } from '../../../remote-agent/src/diffusion/base.ts';
import { removeHost } from '../../../remote-agent/src/hosts/profiles.ts';
import { nobody } from '../../../remote-agent/src/hosts/prompter.ts';
import { writeRemote } from '../../../remote-agent/src/hosts/remote-ref.ts';
import { HostSession } from '../../../remote-agent/src/hosts/session.ts';
import { createJob, jobFiles, writeStatus } from '../../../remote-agent/src/jobs/job.ts';
import { checkout, localHost, placeAgent } from '../../../remote-agent/test/hosts/agent-host.ts';
import { emptySpec } from '../../../remote-agent/test/jobs/host.ts';
import { exportSomewhere } from '../../../src/adapters/export-place.ts';
import { AdapterLibrary, type LibraryAdapter } from '../../../src/adapters/library.ts';
import { Hosts } from '../../../src/hosts/hosts.ts';
import { thisMachine } from '../../../src/hosts/this-machine.ts';
import { RunStore } from '../../../src/runs/store.ts';

const work = mkdtempSync(join(tmpdir(), 'para-export-'));
const before = process.env.PARA_HOME;
const opened: { dispose(): void }[] = [];
/** Names of the machines that were asked, in turn. */
let asked: string[] = [];
let home: string;
let host: string;
let hosts: Hosts;
let count = 0;

/** This machine, and a host `gpu` whose run came home. */
beforeEach(() => {
  const root = join(work, String(count++));
  [home, host, asked] = [join(root, 'home'), join(root, 'host'), []];
  process.env.PARA_HOME = home;
  placeAgent(home);
  localHost('gpu', host, home);
  const open: typeof HostSession.open = (profile, ...how) => {
    asked.push(profile.name);
    return HostSession.open(profile, ...how);
  };
  const local = { name: thisMachine, transport: 'local' as const, root: home };
  hosts = new Hosts(
    () => local,
    nobody,
    () => {},
    open,
  );
  opened.push(hosts);
});
afterEach(() => {
  for (const one of opened.splice(0)) one.dispose();
  if (before === undefined) delete process.env.PARA_HOME;
  else process.env.PARA_HOME = before;
});
afterAll(() => rmSync(work, { recursive: true, force: true }));

/** A PaRa adapter of `base`, whose files lie in `folder`, as a finished run of `gpu` brought it home. */
async function broughtHome(base: string, folder = base): Promise<LibraryAdapter> {
  const directory = join(home, 'runs', 'dog-1');
  createJob(directory, { ...emptySpec(), base: { name: base, hash: openBase(folder).hash } });
  const plan = para.plan(chooseLayers(baseWeights(openBase(folder).unet).layers, 'attention'), { rank: 2 });
  const values = normals(1, 'export', plan.parameterCount);
  const info = { title: 'dog', baseName: base, baseHash: openBase(folder).hash };
  saveAdapter(jobFiles(directory).adapter, adapterFrom(plan, values, info));
  writeStatus(directory, { state: 'finished', step: 4, steps: 4 });
  writeRemote(directory, { host: 'gpu', id: 'job-1', bring: 'best', fetched: {} });
  const store = new RunStore(join(home, 'runs'), join(home, 'runs.json'));
  const library = new AdapterLibrary(store);
  opened.push(library, store);
  await store.start();
  return (await library.find('dog-1'))!;
}

/** A base that the extension does not bring, as `name` in the home of a machine. */
function placeBase(machine: string, name: string): string {
  const folder = join(machine, 'bases', name);
  mkdirSync(join(machine, 'bases'), { recursive: true });
  cpSync(join(checkout, 'remote-agent/bases/pocket-sdxl'), folder, { recursive: true });
  return folder;
}

const how = { format: 'kohya', as: 'lora' } as const;
const exported = async (adapter: LibraryAdapter) =>
  (await exportSomewhere(hosts, adapter, how, inEnglish)).get('');

test('a run whose host was removed is exported on this machine, from what came home', async () => {
  const adapter = await broughtHome('pocket-sdxl');
  removeHost('gpu');
  const bytes = await exported(adapter);
  const { layers, readWeight } = baseWeights(openBase('pocket-sdxl').unet);
  const own = decodeAdapter(readFileSync(adapter.file), adapter.file);
  const wanted = exportAdapter(own, { ...how, layers, readWeight }).get('')!;
  expect(Buffer.compare(bytes!, wanted)).toBe(0);
});

test('a host is not asked where this machine has the base: it may not answer any more', async () => {
  const adapter = await broughtHome('pocket-sdxl');
  rmSync(host, { recursive: true });
  expect((await exported(adapter))!.length).toBeGreaterThan(1000);
  expect(asked).toEqual([thisMachine]);
});

test('what only the host has the base of is exported there, though its job was deleted', async () => {
  const adapter = await broughtHome('mine', placeBase(host, 'mine'));
  expect((await exported(adapter))!.length).toBeGreaterThan(1000);
  expect(asked).toEqual([thisMachine, 'gpu']);
});

test('another machine that answers and has the base serves as well', async () => {
  const adapter = await broughtHome('mine', placeBase(host, 'mine'));
  removeHost('gpu');
  const other = join(work, 'other');
  localHost('other', other, home);
  placeBase(other, 'mine');
  await hosts.session('other');
  expect((await exported(adapter))!.length).toBeGreaterThan(1000);
});

test('where nobody that is reached has the base, it is said which, who did not answer, and what to do', async () => {
  const adapter = await broughtHome('mine', placeBase(host, 'mine'));
  rmSync(join(host, 'agent'), { recursive: true });
  const failure = await exported(adapter).catch((cause) => cause);
  expect(failure).toMatchObject({ code: 'base', where: expect.stringMatching(/^mine; gpu: /) });
  expect(failure.hint).toContain('reconnect to gpu');
  expect(hosts.blamed(failure)?.name).toBe('gpu');
});
