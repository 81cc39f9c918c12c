import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { readEvents } from '../../src/jobs/event-log.ts';
import { createJob, jobFiles, readStatus } from '../../src/jobs/job.ts';
import { startTrainer } from '../../src/jobs/start.ts';
import { paintAll, tinySpec } from '../training/runs.ts';

const bundle = fileURLToPath(new URL('../../dist/trainer.js', import.meta.url));
const work = mkdtempSync(join(tmpdir(), 'para-lost-'));
/** While this file is there, every session of a trainer fails with the words in it. */
const lost = join(work, 'lost');
afterAll(() => rmSync(work, { recursive: true, force: true }));

/** Loaded before the trainer's own code: the runtime itself answers as it does once a driver has lost its GPU. */
const driver = `
const { existsSync, readFileSync } = require('node:fs');
const { InferenceSession } = require(${JSON.stringify(createRequire(bundle).resolve('onnxruntime-node'))});
const run = InferenceSession.prototype.run;
InferenceSession.prototype.run = async function (...all) {
  if (existsSync(${JSON.stringify(lost)})) throw new Error(readFileSync(${JSON.stringify(lost)}, 'utf8'));
  return run.apply(this, all);
};
`;
const { NODE_OPTIONS } = process.env;
afterEach(() => {
  rmSync(lost, { force: true });
  delete process.env.NODE_OPTIONS;
  if (NODE_OPTIONS !== undefined) process.env.NODE_OPTIONS = NODE_OPTIONS;
});

const start = (directory: string, at: number, then: () => void) =>
  startTrainer(
    directory,
    (event) => {
      if (event.type === 'step' && event.step === at) then();
    },
    bundle,
  ).done;

const words = (code: string) =>
  `Non-zero status code returned while running MatMul node. Name:'m' Status Message: ${code} ; GPU=0 ; hostname=h ; file=cuda_call.cc ; line=129`;

describe('a run whose GPU is lost', () => {
  const spec = () =>
    tinySpec(work, { training: { steps: 40, learningRate: 1e-3 }, checkpoints: { every: 10 } });
  const adapter = (name: string) => readFileSync(jobFiles(join(work, name)).adapter).toString('base64');

  beforeAll(async () => {
    await paintAll(work, [[16, 16]]);
    writeFileSync(join(work, 'driver.cjs'), driver);
    createJob(join(work, 'whole'), spec());
    expect((await start(join(work, 'whole'), 0, () => {})).outcome).toBe('finished');
  });

  it.each([
    ['by an operator that failed', words('CUDA failure 719: unspecified launch failure'), '(719)'],
    ['by its driver, which reset it', words('CUDA failure 999: unknown error'), '(999)'],
    ['from its bus (Xid 79)', 'NVRM: Xid (PCI:0000:01:00): 79, GPU has fallen off the bus', '(Xid)'],
  ])(
    '%s is marked as failed with why and what to do, and goes on to the same adapter',
    async (name, said, why) => {
      const directory = join(work, name);
      createJob(directory, spec());
      process.env.NODE_OPTIONS = `--require ${join(work, 'driver.cjs')}`;
      const exit = await start(directory, 15, () => writeFileSync(lost, said));
      const message = expect.stringMatching(/^The device "cpu" failed: .*/);
      expect(exit).toMatchObject({
        outcome: 'failed',
        error: {
          ...{ code: 'device', message },
          hint: expect.stringMatching(/^start again: what was saved is kept.*"Xid" in the kernel log/),
        },
      });
      expect(exit.error!.message).toContain(why);
      const { events } = jobFiles(directory);
      expect(readStatus(directory)).toMatchObject({ state: 'failed', error: message });
      expect(readEvents(events).at(-1)).toMatchObject({ type: 'error', code: 'device' });
      rmSync(lost);
      expect((await start(directory, 0, () => {})).outcome).toBe('finished');
      const resumed = readEvents(events).flatMap((e) => (e.type === 'resumed' ? [e.fromStep] : []));
      expect(resumed).toHaveLength(1);
      expect(resumed[0]! >= 10 && resumed[0]! < 40).toBe(true);
      expect(adapter(name)).toBe(adapter('whole'));
    },
  );
});
