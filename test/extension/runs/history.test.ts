import { describe, expect, test } from 'vitest';
import { filterOfSubject, groupRuns } from '../../../src/runs/history.ts';
import type { Run } from '../../../src/runs/run.ts';

const run = (id: string, changes: Partial<Run> = {}): Run => ({
  ...{ id, job: id, directory: `/runs/${id}`, subject: 'dog', method: 'para', base: 'pocket-sdxl' },
  ...{ createdAt: `2026-01-0${id}T00:00:00Z`, state: 'finished', step: 200, steps: 200, host: 'gpu' },
  ...changes,
});

describe('the history', () => {
  const runs = [run('3'), run('2', { subject: 'cat', host: 'this machine' }), run('1', { state: 'running' })];

  test('groups runs by subject, the group of the newest run first', () => {
    const groups = groupRuns(runs, { groupBy: 'subject', filter: '' });
    expect(groups.map(({ name, runs: members }) => [name, members.map(({ id }) => id)])).toEqual([
      ['dog', ['3', '1']],
      ['cat', ['2']],
    ]);
  });

  test('groups runs by host', () => {
    const groups = groupRuns(runs, { groupBy: 'host', filter: '' });
    expect(groups.map(({ name }) => name)).toEqual(['gpu', 'this machine']);
  });

  test('counts what is active in a group', () => {
    expect(groupRuns(runs, { groupBy: 'subject', filter: '' })[0]!.active).toBe(1);
  });

  test('keeps the runs in which every word of the filter occurs, whatever its case', () => {
    const groups = groupRuns(runs, { groupBy: 'subject', filter: 'DOG running' });
    expect(groups.map(({ runs: members }) => members.map(({ id }) => id))).toEqual([['1']]);
  });

  test('shows the runs of one subject and no others, whatever words its name shares with them', () => {
    const named = ['a dog', 'dog', 'dog 2'].map((subject, i) => run(`${i + 1}`, { subject }));
    const shown = (filter: string) =>
      groupRuns(named, { groupBy: 'subject', filter }).map(({ name }) => name);
    expect(shown(filterOfSubject('dog'))).toEqual(['dog']);
    expect(shown(`${filterOfSubject('a dog')} finished`)).toEqual(['a dog']);
    expect(shown(`${filterOfSubject('a dog')} failed`)).toEqual([]);
  });
});
