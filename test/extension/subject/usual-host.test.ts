import { describe, expect, it } from 'vitest';
import { thisMachine } from '../../../src/hosts/this-machine.ts';
import { usualHost } from '../../../src/subject/usual-host.ts';

describe('where a subject is trained when nobody is asked', () => {
  const names = [thisMachine, 'a', 'b'];

  it('is where this workspace was trained last', () => {
    expect(usualHost(names, ['a', 'b'])).toBe('a');
  });

  it('in a folder that is new, is where the person trained last', () => {
    expect(usualHost(names, [undefined, 'b'])).toBe('b');
  });

  it('is no host that was removed', () => {
    expect(usualHost(names, ['gone', 'b'])).toBe('b');
    expect(usualHost(names, ['gone', undefined])).toBe(thisMachine);
  });

  it('is the only host there is', () => {
    expect(usualHost([thisMachine], [undefined, undefined])).toBe(thisMachine);
    expect(usualHost(['a'], [undefined, undefined])).toBe('a');
  });

  it('is asked for where this machine has no agent and several hosts are there', () => {
    expect(usualHost(['a', 'b'], [undefined, undefined])).toBeUndefined();
  });
});
