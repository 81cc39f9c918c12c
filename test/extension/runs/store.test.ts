import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { writeRemote } from '../../../remote-agent/src/hosts/remote-ref.ts';
import { writeStatus } from '../../../remote-agent/src/jobs/job.ts';
import { RunStore } from '../../../src/runs/store.ts';

const opened: RunStore[] = [];
afterEach(() => {
  for (const store of opened.splice(0)) store.dispose();
});

/** A runs folder of its own with a store over it. */
function place() {
  const root = mkdtempSync(join(tmpdir(), 'para-store-'));
  const folder = join(root, 'runs');
  const index = join(root, 'storage', 'runs.json');
  mkdirSync(join(root, 'storage'));
  const open = () => {
    const store = new RunStore(folder, index);
    opened.push(store);
    return store;
  };
  return { folder, index, open };
}

/** Makes a run folder as the agent does. */
function makeRun(folder: string, id: string, state: 'queued' | 'finished' | 'stopped' = 'finished'): string {
  const directory = join(folder, id);
  mkdirSync(directory, { recursive: true });
  const spec = {
    ...{ version: 1, subject: 'dog', base: { name: 'pocket-sdxl', hash: 'ab' }, method: { name: 'para' } },
    createdAt: `2026-01-01T00:00:${id.slice(-2).padStart(2, '0')}Z`,
  };
  writeFileSync(join(directory, 'spec.json'), JSON.stringify(spec));
  writeStatus(directory, { state, step: state === 'finished' ? 200 : 10, steps: 200, loss: 0.05 });
  return directory;
}

async function until(isTrue: () => boolean): Promise<void> {
  for (let i = 0; i < 600 && !isTrue(); i++) await sleep(50);
  expect(isTrue()).toBe(true);
}

describe('the store of runs', () => {
  test('reads the history from the run folders, newest first', async () => {
    const { folder, open } = place();
    makeRun(folder, 'run-01');
    makeRun(folder, 'run-02');
    const store = open();
    await store.start();
    expect(store.all().map(({ id, state, step }) => [id, state, step])).toEqual([
      ['run-02', 'finished', 200],
      ['run-01', 'finished', 200],
    ]);
  });

  test('shows at once what the last window saw, then what is there now', async () => {
    const { folder, open } = place();
    makeRun(folder, 'run-01');
    const gone = makeRun(folder, 'run-02');
    await open().start();
    rmSync(gone, { recursive: true });
    makeRun(folder, 'run-03');
    const store = open();
    const seen: string[][] = [];
    store.onChange((runs) => seen.push(runs.map(({ id }) => id)));
    expect(store.all()).toEqual([]);
    await store.start();
    expect(seen).toEqual([
      ['run-02', 'run-01'],
      ['run-03', 'run-01'],
    ]);
  });

  test('says of a run on a host where its job is', async () => {
    const { folder, open } = place();
    const directory = makeRun(folder, 'run-01', 'queued');
    writeRemote(directory, { host: 'gpu', id: 'job-7', bring: 'best', fetched: {} });
    const store = open();
    await store.start();
    expect(store.get('run-01')).toMatchObject({ host: 'gpu', job: 'job-7' });
  });

  test('passes over damaged folders and hides none that is whole', async () => {
    const { folder, open } = place();
    const broken = makeRun(folder, 'run-01');
    writeFileSync(join(broken, 'spec.json'), '{"subject":');
    makeRun(folder, 'run-02');
    mkdirSync(join(folder, 'no-run'));
    const store = open();
    await store.start();
    expect(store.all().map(({ id }) => id)).toEqual(['run-02']);
  });

  test('knows at once, when asked, that a run has ended or goes on', async () => {
    const { folder, open } = place();
    const ending = makeRun(folder, 'run-01', 'queued');
    const goingOn = makeRun(folder, 'run-02');
    const store = open();
    await store.refresh();
    writeStatus(ending, { state: 'finished', step: 200, steps: 200 });
    writeStatus(goingOn, { state: 'queued', step: 200, steps: 400 });
    store.lookAtActive('run-02');
    expect(store.get('run-01')).toMatchObject({ state: 'finished', step: 200 });
    expect(store.get('run-02')).toMatchObject({ state: 'queued', steps: 400 });
  });

  test('hears of runs that another program makes, and of their end', async () => {
    const { folder, open } = place();
    const store = open();
    await store.start();
    const ended: string[] = [];
    store.onEnd(({ id, state }) => ended.push(`${id} ${state}`));
    const directory = makeRun(folder, 'run-01', 'queued');
    await until(() => store.get('run-01')?.state === 'queued');
    writeStatus(directory, { state: 'finished', step: 200, steps: 200 });
    await until(() => ended.length > 0);
    expect(ended).toEqual(['run-01 finished']);
    rmSync(directory, { recursive: true });
    await until(() => store.get('run-01') === undefined);
  });

  test('of two windows both see what one of them changed', async () => {
    const { folder, open } = place();
    const [first, second] = [open(), open()];
    await Promise.all([first.start(), second.start()]);
    makeRun(folder, 'run-01', 'stopped');
    await until(() => first.get('run-01') !== undefined && second.get('run-01') !== undefined);
    expect(second.all()).toEqual(first.all());
  });

  test('looks once more for all that ask while it looks', async () => {
    const { folder, open } = place();
    makeRun(folder, 'run-01');
    const store = open();
    await store.start();
    const first = store.refresh();
    const waiting = [store.refresh(), store.refresh()];
    expect(waiting[1]).toBe(waiting[0]);
    await Promise.all([first, ...waiting]);
    expect(store.all()).toBe(store.all());
    makeRun(folder, 'run-02');
    await store.refresh();
    expect(store.all().map(({ id }) => id)).toEqual(['run-02', 'run-01']);
  });

  test('reads folders anew that another version kept otherwise', async () => {
    const { folder, index, open } = place();
    makeRun(folder, 'run-01', 'stopped');
    await open().start();
    const kept = JSON.parse(readFileSync(index, 'utf8')) as { entries: { run: { subject: string } }[] };
    kept.entries[0]!.run.subject = 'of old';
    writeFileSync(index, JSON.stringify({ ...kept, version: 0 }));
    const later = open();
    await later.start();
    expect(later.get('run-01')?.subject).toBe('dog');
  });

  test('believes the folders and not what it kept of them', async () => {
    const { folder, index, open } = place();
    const directory = makeRun(folder, 'run-01', 'stopped');
    await open().start();
    expect(JSON.parse(readFileSync(index, 'utf8')).entries).toHaveLength(1);
    await sleep(20);
    writeStatus(directory, { state: 'failed', step: 11, steps: 200, error: 'no room' });
    const later = open();
    await later.start();
    expect(later.get('run-01')).toMatchObject({ state: 'failed', error: 'no room' });
    writeFileSync(index, 'torn');
    const third = open();
    await third.start();
    expect(third.get('run-01')?.state).toBe('failed');
  });
});
