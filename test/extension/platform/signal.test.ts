import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { gathered, Signal } from '../../../src/platform/signal.ts';

describe('signals', () => {
  test('reach every listener though one of them fails, whose failure is not lost', async () => {
    const lost: unknown[] = [];
    const others = process.listeners('uncaughtException');
    process.removeAllListeners('uncaughtException');
    process.once('uncaughtException', (cause) => lost.push(cause));
    const signal = new Signal<number>();
    const heard: number[] = [];
    const failure = new Error('one listener');
    signal.on(() => {
      throw failure;
    });
    signal.on((value) => heard.push(value));
    signal.fire(7);
    await sleep(1);
    for (const other of others) process.on('uncaughtException', other);
    expect(heard).toEqual([7]);
    expect(lost).toEqual([failure]);
  });

  test('that are gathered are told once, and never after they were disposed', async () => {
    let told = 0;
    const tell = gathered(5, () => told++);
    tell();
    tell();
    await sleep(30);
    expect(told).toBe(1);
    tell();
    tell.dispose();
    tell();
    await sleep(30);
    expect(told).toBe(1);
  });
});
