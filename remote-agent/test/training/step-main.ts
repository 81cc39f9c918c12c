// Started by deep.test.ts, one process a graph, so that a step's memory is that process's own: the paths of a step graph
// and of a file for its gradient in; its loss and the bytes that it took out: whole, and beyond the loaded session.
import { readFileSync, writeFileSync } from 'node:fs';
import { loadGraph } from '../../src/onnx/io.ts';
import { f32, sizeOf, type Tensor, toFloats } from '../../src/runtime/tensor.ts';
import { stepNames } from '../../src/training/step-graph.ts';
import { createStepSession } from '../../src/training/step-session.ts';

/** Starts the high-water mark anew, where the system can; elsewhere loading counts too. */
function forgetPeak(): void {
  try {
    writeFileSync('/proc/self/clear_refs', '5');
  } catch {
    // Not Linux, or not allowed here.
  }
}

/** Most memory that this process has held, bytes. */
function peakBytes(): number {
  try {
    return 1024 * Number(/VmHWM:\s*(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))![1]);
  } catch {
    return 1024 * process.resourceUsage().maxRSS;
  }
}

const [model, gradient] = process.argv.slice(2) as [string, string];
const bare = process.memoryUsage.rss();
const session = await createStepSession(loadGraph(model), { device: 'cpu' });
const feeds: Record<string, Tensor> = {};
for (const { name, type, dims } of session.inputs) {
  const shape = dims as readonly number[];
  if (type === 'int64') {
    feeds[name] = { type, dims: shape, data: new BigInt64Array(sizeOf(shape)).fill(500n) };
    continue;
  }
  const scale = name === stepNames.coefficients ? 0.1 : 1;
  feeds[name] = f32(
    shape,
    Float32Array.from({ length: sizeOf(shape) }, (_, i) => Math.sin(i * 0.37 + 1) * scale),
  );
}
forgetPeak();
const before = process.memoryUsage.rss();
const out = await session.run(feeds);
const peak = peakBytes();
writeFileSync(gradient, toFloats(out[stepNames.gradient]!));
const loss = toFloats(out[stepNames.loss]!)[0];
console.log(JSON.stringify({ bytes: peak - bare, activationBytes: peak - before, loss }));
