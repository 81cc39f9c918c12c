// Our side of a contest: one case in a process of its own, in the line protocol of tools/bench/pytorch_worker.py.
import { createInterface } from 'node:readline';
import { onGpu, resident } from './memory.ts';
import { type GenerateCase, openGeneration } from './run-generation.ts';
import { openStep, type TrainCase } from './run-step.ts';

export type WorkerCase = TrainCase | GenerateCase;

const say = (what: object) => process.stdout.write(`${JSON.stringify(what)}\n`);

const what = JSON.parse(process.argv[2]!) as WorkerCase;
const emptyBytes = resident('VmRSS');
const run: () => Promise<unknown> = await (what.kind === 'step' ? openStep(what) : openGeneration(what));
say({ ready: true, emptyBytes, loadedBytes: resident('VmRSS') });
for await (const line of createInterface({ input: process.stdin })) {
  const times: number[] = [];
  for (let i = 0; i < Number(line); i++) {
    const begin = performance.now();
    await run();
    times.push(performance.now() - begin);
  }
  say({ times });
}
say({ peakBytes: resident('VmHWM'), devicePeakBytes: what.device === 'cuda' ? onGpu() : 0 });
