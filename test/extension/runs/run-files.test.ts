import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { jobFiles } from '../../../remote-agent/src/jobs/job.ts';
import { trainingSeconds } from '../../../src/runs/panel/run-files.ts';

const work = mkdtempSync(join(tmpdir(), 'para-run-files-'));
afterEach(() => rmSync(work, { recursive: true, force: true }));

/** A run whose log has these events, and begins with an end that was cut off. */
function runWith(...events: object[]): string {
  mkdirSync(work, { recursive: true });
  const lines = events.map((event) => JSON.stringify(event));
  writeFileSync(jobFiles(work).events, `{"type":"step","st\n${lines.join('\n')}\n`);
  return work;
}
const step = (n: number, seconds: number) => ({ type: 'step', step: n, seconds });

test('a run trained as long as it says at its end', async () => {
  const run = runWith(step(1, 0.5), step(2, 0.5), { type: 'finished', step: 2, seconds: 3 });
  expect(await trainingSeconds(run)).toBe(3);
});

test('a run that was continued trained as long as its steps took, each counted once', async () => {
  const run = runWith(
    ...[step(1, 1), step(2, 2), step(3, 4), { type: 'stopped', step: 3 }, { type: 'resumed', fromStep: 2 }],
    ...[step(3, 8), step(4, 16), { type: 'finished', step: 4, seconds: 25 }],
  );
  expect(await trainingSeconds(run)).toBe(27);
});

test('a run that was stopped trained as long as its steps took; one that made none took none', async () => {
  expect(await trainingSeconds(runWith(step(1, 1), step(2, 2), { type: 'stopped', step: 2 }))).toBe(3);
  expect(await trainingSeconds(runWith({ type: 'phase', name: 'encode pictures' }))).toBeUndefined();
  expect(await trainingSeconds(join(work, 'nowhere'))).toBeUndefined();
});
