// One of several agents on a host: `queuer NAME COUNT` queues COUNT jobs, runs what it finds and says which.
import { basename } from 'node:path';
import { createJob, readStatus, writeStatus } from '../../src/jobs/job.ts';
import { directLauncher, type Launcher } from '../../src/jobs/launcher.ts';
import { enqueue, jobFolder } from '../../src/jobs/queue.ts';
import { superviseSlot } from '../../src/jobs/supervisor.ts';
import type { TrainSpec } from '../../src/subject/train-spec.ts';

const [name, count] = process.argv.slice(2);
const launcher: Launcher = {
  ...directLauncher(),
  run: async (directory: string) => {
    console.log(basename(directory));
    writeStatus(directory, { ...readStatus(directory), state: 'finished' });
    return 0;
  },
};
for (let i = 0; i < Number(count); i++) {
  const directory = jobFolder(`${name}${i}`);
  createJob(directory, { device: 'cpu', training: { steps: 1 } } as unknown as TrainSpec);
  enqueue(directory, name!);
  if (i % 3 === 2) await superviseSlot('cpu', launcher);
}
await superviseSlot('cpu', launcher);
