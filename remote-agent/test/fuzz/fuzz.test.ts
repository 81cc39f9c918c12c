import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { campaign } from './campaign.ts';
import { targets } from './targets.ts';

const scratch = mkdtempSync(join(tmpdir(), 'para-fuzz-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
const kinds = await targets(join(import.meta.dirname, '../../..'), scratch);

describe.each(kinds)('200 damaged files of the kind $kind', (target) => {
  it('are read or refused with a typed error, never anything else', async () => {
    for (const example of target.examples) await target.read(example);
    const tally = await campaign(target, 1, 200);
    expect(tally.escaped.map(({ seed, message }) => `seed ${seed}: ${message}`)).toEqual([]);
    expect([...tally.outcomes.keys()].filter((what) => what !== 'read')).not.toEqual([]);
  });
});
