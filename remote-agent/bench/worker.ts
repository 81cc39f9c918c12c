// Our side of a contest: one case in a process of its own, in the line protocol of tools/bench/turns.py.
import { subscribe } from 'node:diagnostics_channel';
import { createInterface } from 'node:readline';
import { type Lap, lapChannel, type Traffic, trafficChannel } from '../src/common/lap.ts';
import { onGpu, resident } from './memory.ts';
import { median } from './numbers.ts';
import { type GenerateCase, openGeneration } from './run-generation.ts';
import { estimatedBytes, openStep, type TrainCase } from './run-step.ts';

export type WorkerCase = TrainCase | GenerateCase;

const say = (what: object) => process.stdout.write(`${JSON.stringify(what)}\n`);

const what = JSON.parse(process.argv[2]!) as WorkerCase;
const emptyBytes = resident('VmRSS');
const run: () => Promise<unknown> = await (what.kind === 'step' ? openStep(what) : openGeneration(what));
let [fed, inside, toBytes, fromBytes] = [0, 0, 0, 0];
subscribe(lapChannel, (message) => {
  const { part, at } = message as Lap;
  if (part === 'feeds') fed = at;
  if (part === 'session') inside += at - fed;
});
subscribe(trafficChannel, (message) => {
  const { device, ...bytes } = message as Traffic;
  // Sessions beside it, as those of PaRa's bases, are the CPU's.
  if (device !== (what.device ?? 'cpu')) return;
  toBytes += bytes.toBytes;
  fromBytes += bytes.fromBytes;
});
say({ ready: true, emptyBytes, loadedBytes: resident('VmRSS') });
const shares: number[] = [];
let runs = 0;
for await (const line of createInterface({ input: process.stdin })) {
  const times: number[] = [];
  for (let i = 0; i < Number(line); i++) {
    inside = 0;
    const begin = performance.now();
    await run();
    const time = performance.now() - begin;
    times.push(time);
    shares.push(1 - inside / time);
    runs++;
  }
  say({ times });
}
const peakBytes = resident('VmHWM');
say({
  ...{ peakBytes, devicePeakBytes: what.device === 'cuda' ? onGpu() : 0 },
  ...{ toBytes: toBytes / runs, fromBytes: fromBytes / runs },
  // Drawing tells no laps. What is estimated comes last, since to estimate takes memory too.
  ...(what.kind === 'step' ? { hostShare: median(shares), estimatedBytes: estimatedBytes(what) } : {}),
});
