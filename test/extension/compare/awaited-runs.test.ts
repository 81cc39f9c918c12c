import { describe, expect, test } from 'vitest';
import { afterEnd } from '../../../src/compare/awaited-runs.ts';

describe('a comparison that waits for what is trained', () => {
  const awaited = [
    { subject: 'dog', runs: ['a', 'b'] },
    { subject: 'owl', runs: ['c'] },
  ];

  test('is ready when the last of its runs is finished', () => {
    const first = afterEnd(awaited, { id: 'b', state: 'finished' });
    expect(first).toEqual({ left: [{ subject: 'dog', runs: ['a'] }, awaited[1]], ready: [] });
    expect(afterEnd(first.left, { id: 'a', state: 'finished' })).toEqual({
      left: [awaited[1]],
      ready: ['dog'],
    });
  });

  test('is given up where one of them fails or is stopped, and does not mind other runs', () => {
    for (const state of ['failed', 'stopped', 'interrupted'] as const)
      expect(afterEnd(awaited, { id: 'c', state })).toEqual({ left: [awaited[0]], ready: [] });
    expect(afterEnd(awaited, { id: 'z', state: 'finished' })).toEqual({ left: awaited, ready: [] });
  });
});
