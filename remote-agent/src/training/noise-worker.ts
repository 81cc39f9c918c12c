// A thread beside the trainer's: makes the noise of the next step while the runtime computes this one.
import { workerData } from 'node:worker_threads';
import type { NoiseAnswer, NoiseThread } from './noise-ahead.ts';
import { noised, type Shown } from './noised.ts';

const { settings, port, answers } = workerData as NoiseThread;
port.on('message', (shown: Shown) => {
  const { step, pass } = shown;
  const made = noised(settings, shown);
  const answer: NoiseAnswer = { step, pass, made };
  const moved = [made.noisy.buffer, made.target.buffer] as ArrayBuffer[];
  port.postMessage(answer, moved);
  Atomics.add(answers, 0, 1);
  Atomics.notify(answers, 0);
});
