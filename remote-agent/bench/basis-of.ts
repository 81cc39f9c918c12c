import { type MethodSettings, preparationNames } from '../src/adapters/method.ts';
import { methodByName } from '../src/adapters/methods.ts';
import { encodeGraph } from '../src/onnx/io.ts';
import { createSession } from '../src/runtime/session.ts';
import { f32 } from '../src/runtime/tensor.ts';

/** PaRa's work beside the step for layers of these output widths: its bases, and their gradient back to the parameters. */
export async function basisOf(widths: readonly number[], settings: MethodSettings, threads: number) {
  const method = methodByName('para');
  const layers = widths.map((dOut, i) => ({
    ...{ path: `layer.${i}`, kind: 'linear' as const, node: `n${i}`, weight: `w${i}` },
    ...{ layout: 'in,out' as const, dIn: dOut, dOut, kernel: [1, 1] as const },
  }));
  const plan = method.plan(layers, settings);
  const values = method.initialise(plan, 1);
  const options = { device: 'cpu', memoryPattern: false, threads } as const;
  const prepare = await createSession(encodeGraph(method.prepareGraph!(plan)), options);
  const pullback = await createSession(encodeGraph(method.pullbackGraph!(plan)), options);
  const parameters = f32([values.length], values);
  const { parameters: name, kept, coefficientsGradient } = preparationNames;
  const made = await prepare.run({ [name]: parameters });
  return {
    parameterCount: plan.parameterCount,
    bases: () => prepare.run({ [name]: parameters }),
    gradient: () =>
      pullback.run({ [name]: parameters, [kept]: made[kept]!, [coefficientsGradient]: parameters }),
    async release() {
      await prepare.release();
      await pullback.release();
    },
  };
}
