import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { checkout } from '../hosts/agent-host.ts';
import { excused, noSshd } from '../hosts/sshd.ts';
import { bundleProgram } from '../jobs/bundle.ts';
import { campaign } from './campaign.ts';

// Where the project's packages are found.
mkdirSync(join(checkout, '.cache'), { recursive: true });
const work = mkdtempSync(join(checkout, '.cache/chaos-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));

describe.skipIf(excused(noSshd))('jobs on a host that is disturbed', () => {
  it('lose no event, end, leave nothing behind, and give the bytes of an undisturbed run', async () => {
    const program = bundleProgram(new URL('./client.ts', import.meta.url), work);
    const { jobs } = await campaign(program, 6, 11, (line) => console.log(line));
    expect(jobs.flatMap((job) => job.problems)).toEqual([]);
    expect(jobs.flatMap((job) => job.faults).length).toBe(6);
    // Longer than the campaign's own limit for a job: it is the campaign that says what hung.
  }, 1_500_000);
});
