import { describe, expect, test } from 'vitest';
import { bytes, duration } from '../../../webview/ui/format.ts';

describe('sizes and times of views', () => {
  test('have as many digits as people read, and never sixty minutes', () => {
    expect([900, 80_400, 3_400_000, 812e6, 9.6e9].map(bytes)).toEqual([
      ...['0.9 KB', '80.4 KB', '3.4 MB', '812 MB', '9.6 GB'],
    ]);
    expect([0.051, 4.3, 89.94, 700, 3599, 3900].map(duration)).toEqual([
      ...['51 ms', '4.3 s', '89.9 s', '12 min', '1 h 0 min', '1 h 5 min'],
    ]);
  });
});
