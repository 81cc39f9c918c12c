import { afterAll, describe, expect, it } from 'vitest';
import { createSession } from '../../src/runtime/session.ts';
import { f32, type Tensor, toFloats } from '../../src/runtime/tensor.ts';
import { goldenCases, goldenGraph } from './goldens.ts';

const norm = (v: ArrayLike<number>) => Math.hypot(...Array.from(v));

let worst = { what: '', error: 0 };
afterAll(() => console.log(`largest relative error ${worst.error.toExponential(2)} (${worst.what})`));

describe("gradients agree with PyTorch's to 1e-4 of their norm:", () => {
  for (const test of goldenCases())
    it(test.name, async () => {
      const { bytes, y, found } = goldenGraph(test);
      const session = await createSession(bytes, { optimization: 'disabled', threads: 1 });
      const feeds: Record<string, Tensor> = {};
      for (const name of test.inputs) {
        const { dims, data } = test.tensors.get(`in.${name}`)!;
        feeds[name] = f32(dims, data);
      }
      const out = await session.run(feeds);
      const compare = (what: string, tensor: Tensor, wanted: ArrayLike<number>) => {
        const values = toFloats(tensor);
        expect(values.length, `size of ${what}`).toBe(wanted.length);
        const error = norm(values.map((v, i) => v - wanted[i]!));
        const relative = error / norm(wanted);
        if (relative > worst.error) worst = { what: `${what} of ${test.name}`, error: relative };
        expect(error, `distance of ${what} from PyTorch's, of norm ${norm(wanted)}`).toBeLessThanOrEqual(
          1e-4 * norm(wanted),
        );
      };
      compare('the output', out[y]!, test.tensors.get('y')!.data);
      for (const name of test.inputs) {
        const { dims, data } = test.tensors.get(`grad.${name}`)!;
        const gradient = out[found.get(name)!]!;
        expect(gradient.dims, `shape of the gradient of ${name}`).toEqual(dims);
        compare(`the gradient of ${name}`, gradient, data);
      }
      await session.release();
    });
});
