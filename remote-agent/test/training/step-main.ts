// Started by deep.test.ts, one process a graph, so that a step's memory is that process's own: the paths of a step graph
// and of a file for its gradient in; its loss and the bytes that its first step took beyond the loaded session out.
import { writeFileSync } from 'node:fs';
import { loadGraph } from '../../src/onnx/io.ts';
import { f32, sizeOf, type Tensor, toFloats } from '../../src/runtime/tensor.ts';
import { stepNames } from '../../src/training/step-graph.ts';
import { createStepSession } from '../../src/training/step-session.ts';

const [model, gradient] = process.argv.slice(2) as [string, string];
const session = await createStepSession(loadGraph(model), { device: 'cpu' });
const feeds: Record<string, Tensor> = {};
for (const { name, dims } of session.inputs) {
  const shape = dims as readonly number[];
  const scale = name === stepNames.coefficients ? 0.1 : 1;
  feeds[name] = f32(
    shape,
    Float32Array.from({ length: sizeOf(shape) }, (_, i) => Math.sin(i * 0.37 + 1) * scale),
  );
}
const before = process.memoryUsage.rss();
const out = await session.run(feeds);
const peak = process.resourceUsage().maxRSS * 1024;
writeFileSync(gradient, toFloats(out[stepNames.gradient]!));
console.log(JSON.stringify({ activationBytes: peak - before, loss: toFloats(out[stepNames.loss]!)[0] }));
