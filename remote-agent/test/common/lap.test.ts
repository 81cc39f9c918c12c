import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { expect, test } from 'vitest';
import { type Lap, lap, lapChannel } from '../../src/common/lap.ts';

test('laps are told in order to whoever listens, and to nobody else', () => {
  const told: Lap[] = [];
  const listen = (message: unknown) => told.push(message as Lap);
  lap('before');
  subscribe(lapChannel, listen);
  lap('first');
  lap('second');
  unsubscribe(lapChannel, listen);
  lap('after');
  expect(told.map(({ part }) => part)).toEqual(['first', 'second']);
  expect(told[1]!.at).toBeGreaterThanOrEqual(told[0]!.at);
});
