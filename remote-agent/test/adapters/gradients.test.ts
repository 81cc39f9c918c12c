import { expect, test } from 'vitest';
import type { MethodName } from '../../src/adapters/method.ts';
import { methodByName } from '../../src/adapters/methods.ts';
import { gradients } from '../../src/autodiff/gradients.ts';
import { normals } from '../../src/common/random.ts';
import { encodeGraph } from '../../src/onnx/io.ts';
import { DataType, floatTensor, int64Tensor, valueInfo } from '../../src/onnx/types.ts';
import { createSession } from '../../src/runtime/session.ts';
import { f32 } from '../../src/runtime/tensor.ts';
import { picture, runGraph, smallGraph } from './small-graph.ts';

/** Loss (sum of output times fixed weights) and its gradient in the parameters, by the three graphs of a step. */
async function trainable(name: MethodName, settings: object) {
  const method = methodByName(name);
  const { graph, layers } = smallGraph();
  const plan = method.plan(layers, settings);
  graph.addInput('coefficients', DataType.FLOAT, [plan.coefficientCount]);
  method.attach(graph, plan, 'coefficients');
  for (const node of graph.nodes)
    for (const output of node.output) expect(graph.types.has(output), `type of ${output}`).toBe(true);
  const shape = graph.types.get('y')!.shape as number[];
  const weights = graph.setInitializer(
    floatTensor('loss.weights', shape, normals(5, 'loss', shape[0]! * shape[1]!)),
  );
  const note = (value: string, dims: number[]) => {
    graph.types.set(value, { type: DataType.FLOAT, shape: dims });
    return value;
  };
  const product = note(graph.add('Mul', ['y', weights], { hint: 'loss.product' }), shape);
  const axes = graph.setInitializer(int64Tensor('loss.axes', [2], [0, 1]));
  const loss = note(
    graph.add('ReduceSum', [product, axes], { attributes: { keepdims: 0n }, hint: 'loss' }),
    [],
  );
  const gradient = gradients(graph, loss, ['coefficients']).get('coefficients')!;
  graph.setOutputs([
    valueInfo(product, DataType.FLOAT, shape),
    valueInfo(gradient, DataType.FLOAT, [plan.coefficientCount]),
  ]);
  const session = await createSession(encodeGraph(graph), { threads: 1 });
  const vector = (values: Float32Array) => f32([values.length], values);
  return {
    plan,
    method,
    release: () => session.release(),
    /** Summed in f64, so that differences of it are not lost. */
    async evaluate(parameters: Float32Array): Promise<{ loss: number; gradient: Float32Array }> {
      const prepare = method.prepareGraph?.(plan);
      const prepared = prepare && (await runGraph(prepare, { parameters: vector(parameters) }));
      const coefficients = prepared ? prepared.coefficients! : vector(parameters);
      const out = await session.run({ x: picture(), coefficients });
      const total = (out[product]!.data as Float32Array).reduce((sum, x) => sum + x, 0);
      const raw = out[gradient]!;
      const pullback = method.pullbackGraph?.(plan);
      const final = pullback
        ? (
            await runGraph(pullback, {
              ...{ parameters: vector(parameters), kept: prepared!.kept!, coefficients_gradient: raw },
            })
          ).parameters_gradient!
        : raw;
      return { loss: total, gradient: final.data as Float32Array };
    },
  };
}

for (const [name, settings] of [
  ['para', { gamma: 0.4 }],
  ['lora', { rank: 3, scale: 'paper' }],
] as const)
  test(`the gradient of ${name} through a whole step agrees with central differences, layer by layer`, async () => {
    const step = await trainable(name, settings);
    const { plan } = step;
    const start = normals(2, name, plan.parameterCount).map((x) => 0.3 * x);
    const { gradient } = await step.evaluate(start);
    for (const layer of plan.layers) {
      const direction = normals(6, layer.path, layer.length);
      const size = 4e-3;
      const moved = (sign: number) => {
        const values = start.slice();
        for (let i = 0; i < layer.length; i++) values[layer.offset + i]! += sign * size * direction[i]!;
        return values;
      };
      const [above, below] = [await step.evaluate(moved(1)), await step.evaluate(moved(-1))];
      const numeric = (above.loss - below.loss) / (2 * size);
      const part = gradient.subarray(layer.offset, layer.offset + layer.length);
      const exact = part.reduce((sum, g, i) => sum + g * direction[i]!, 0);
      const norm = Math.sqrt(part.reduce((sum, g) => sum + g * g, 0));
      expect(norm).toBeGreaterThan(0);
      expect(Math.abs(numeric - exact) / norm, layer.path).toBeLessThan(3e-3);
    }
    await step.release();
  });

test('the gradient of PaRa is orthogonal to what B spans: only turning the span changes the loss', async () => {
  const step = await trainable('para', { gamma: 0.4 });
  const { plan, method } = step;
  const start = method.initialise(plan, 4);
  const { gradient } = await step.evaluate(start);
  for (const { dOut, rank, offset } of plan.layers)
    for (let i = 0; i < rank; i++)
      for (let j = 0; j < rank; j++) {
        let [inner, b, g] = [0, 0, 0];
        for (let o = 0; o < dOut; o++) {
          const [x, y] = [start[offset + o * rank + i]!, gradient[offset + o * rank + j]!];
          inner += x * y;
          b += x * x;
          g += y * y;
        }
        expect(Math.abs(inner)).toBeLessThan(1e-5 * Math.sqrt(b * g));
      }
  await step.release();
});
