import { describe, expect, it } from 'vitest';
import { later, once } from '../../../src/platform/later.ts';

describe('what is loaded when it is needed', () => {
  it('is made once, whoever asks at the same time', async () => {
    let made = 0;
    const get = once(async () => ++made);
    expect(await Promise.all([get(), get()])).toEqual([1, 1]);
    expect(await get()).toBe(1);
  });

  it('is tried again where it could not be loaded', async () => {
    let tries = 0;
    const get = once(async () => {
      if (++tries === 1) throw new Error('no disk');
      return tries;
    });
    await expect(get()).rejects.toThrow('no disk');
    expect(await get()).toBe(2);
  });

  it('answers in place of a provider, with all that it was asked', async () => {
    const sums = {
      base: 10,
      add(a: number, b: number) {
        return this.base + a + b;
      },
    };
    let loads = 0;
    const provider = later<Pick<typeof sums, 'add'>>('add', async () => {
      loads++;
      return sums;
    });
    expect(loads).toBe(0);
    expect(await provider.add(1, 2)).toBe(13);
  });
});
