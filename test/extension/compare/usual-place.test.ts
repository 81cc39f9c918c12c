import { describe, expect, test } from 'vitest';
import { usualPlace } from '../../../src/compare/usual-place.ts';

describe('the place that pictures are drawn at', () => {
  const names = ['this machine', 'gpu', 'old'];
  const place = (
    wanted: (string | undefined)[],
    failed: readonly string[] = [],
    has: Readonly<Record<string, boolean>> = {},
  ) => usualPlace({ names, wanted, failed: (name) => failed.includes(name), hasBase: (name) => has[name] });

  test('is where the adapters are, or were sent last', () => {
    expect(place(['gpu', 'this machine'])).toBe('gpu');
    expect(place([undefined, 'old', 'gpu'])).toBe('old');
  });

  test('is another where that host is gone or cannot be reached', () => {
    expect(place(['rented', undefined, 'this machine'])).toBe('this machine');
    expect(place(['gpu', 'this machine'], ['gpu'])).toBe('this machine');
  });

  test('is another that has the base where it had none, not one of which nobody knows', () => {
    expect(place(['this machine'], [], { 'this machine': false, old: true })).toBe('old');
    expect(place(['this machine'], [], { 'this machine': false })).toBe('this machine');
    expect(place(['this machine'], ['old'], { 'this machine': false, old: true })).toBe('this machine');
  });

  test('is one there is, even where none was reached; and none where there is none', () => {
    expect(place(['gpu'], names)).toBe('gpu');
    expect(place([])).toBe('this machine');
    const none = { names: [], wanted: ['gpu'], failed: () => false, hasBase: () => true };
    expect(usualPlace(none)).toBeUndefined();
  });
});
