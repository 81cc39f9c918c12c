// One case of the section `step`, in a process of its own: the case as JSON in, its result as JSON out.
import { openBase } from '../src/diffusion/base.ts';
import { encodeGraph } from '../src/onnx/io.ts';
import { createSession } from '../src/runtime/session.ts';
import { loadUnet } from '../src/training/engine.ts';
import { resident } from './memory.ts';
import { median } from './numbers.ts';
import { feedsOf, openStepSession, type StepSettings, stepShapes } from './step-case.ts';

/** One way to train: what a case measures. */
export interface StepCase extends StepSettings {
  readonly base: string;
  readonly seconds: number;
}

/** Medians in milliseconds of the U-Net alone and of a whole step, measured in turn; the step's memory in bytes. */
export interface StepResult {
  readonly forwardMs: number;
  readonly stepMs: number;
  readonly ratio: number;
  readonly runs: number;
  /** Peak over what the process held before the first step; 0 where the system does not tell. */
  readonly activationBytes: number;
  readonly peakBytes: number;
  readonly forwardNodes: number;
  readonly stepNodes: number;
}

/** Measures one case; memory first, before anything else fills the process. */
async function measureStep(what: StepCase): Promise<StepResult> {
  const base = openBase(what.base);
  const { session: step, nodes } = await openStepSession(base, what);
  const feeds = feedsOf(base, step.inputs);
  const before = resident('VmRSS');
  for (let i = 0; i < 3; i++) await step.run(feeds);
  const peakBytes = resident('VmHWM');

  const alone = loadUnet(base, stepShapes(base, what)).graph;
  // Every fusion of the runtime is allowed here, so that the step is held against the best forward pass.
  const forward = await createSession(encodeGraph(alone), {
    device: 'cpu',
    optimization: 'extended',
    memoryPattern: false,
    externalDataDirectory: base.unet.weights,
  });
  const given = Object.fromEntries(forward.inputs.map(({ name }) => [name, feeds[name]!]));
  const times: [number[], number[]] = [[], []];
  const timed = async (list: number[], run: () => Promise<unknown>) => {
    const begin = performance.now();
    await run();
    list.push(performance.now() - begin);
  };
  for (let i = 0; i < 3; i++) await forward.run(given);
  const end = performance.now() + 1000 * what.seconds;
  while (times[0].length < 8 || performance.now() < end) {
    await timed(times[0], () => forward.run(given));
    await timed(times[1], () => step.run(feeds));
  }
  const ratios = times[1].map((t, i) => t / times[0][i]!);
  return {
    forwardMs: median(times[0]),
    stepMs: median(times[1]),
    ratio: median(ratios),
    runs: times[0].length,
    activationBytes: peakBytes === 0 ? 0 : Math.max(0, peakBytes - before),
    peakBytes,
    forwardNodes: alone.nodes.length,
    stepNodes: nodes,
  };
}

console.log(JSON.stringify(await measureStep(JSON.parse(process.argv[2]!) as StepCase)));
