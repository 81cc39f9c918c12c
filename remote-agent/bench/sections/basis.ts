import { type AdapterPlan, preparationNames } from '../../src/adapters/method.ts';
import { methodByName } from '../../src/adapters/methods.ts';
import { encodeGraph } from '../../src/onnx/io.ts';
import { createSession } from '../../src/runtime/session.ts';
import { f32 } from '../../src/runtime/tensor.ts';
import { median } from '../numbers.ts';
import { markdown, type Section } from '../section.ts';

interface BasisRow {
  readonly layers: number;
  readonly width: number;
  readonly rank: number;
  readonly basisMs: number;
  readonly pullbackMs: number;
}

/** PaRa's f64 work beside the step: the bases before it, their gradient after it. */
export const basis: Section<BasisRow> = {
  name: 'basis',
  async measure({ say }) {
    const rows: BasisRow[] = [];
    for (const [layers, width, rank] of [
      [56, 128, 3],
      [60, 640, 16],
      [60, 1280, 32],
    ] as const) {
      const row = { layers, width, rank, ...(await measureBasis(layers, width, rank)) };
      rows.push(row);
      say(
        `basis ${layers} x ${width}, rank ${rank}: ${row.basisMs.toFixed(1)} ms, gradient ${row.pullbackMs.toFixed(1)} ms`,
      );
    }
    return rows;
  },
  table(rows) {
    return markdown(
      ['layers', 'width', 'rank', 'bases, ms', 'their gradient, ms'],
      rows.map((r) => [r.layers, r.width, r.rank, r.basisMs.toFixed(1), r.pullbackMs.toFixed(1)]),
    );
  },
};

async function measureBasis(count: number, dOut: number, rank: number) {
  const method = methodByName('para');
  const layers = Array.from({ length: count }, (_, i) => ({
    ...{ path: `layer.${i}`, kind: 'linear' as const, node: `n${i}`, weight: `w${i}` },
    ...{ layout: 'in,out' as const, dIn: dOut, dOut, kernel: [1, 1] as const },
  }));
  const plan: AdapterPlan = method.plan(layers, { rank, gamma: 1 });
  const values = method.initialise(plan, 1);
  const options = { device: 'cpu', threads: 1 } as const;
  const prepare = await createSession(encodeGraph(method.prepareGraph!(plan)), options);
  const pullback = await createSession(encodeGraph(method.pullbackGraph!(plan)), options);
  const parameters = f32([values.length], values);
  const time = async (run: () => Promise<unknown>) => {
    const times: number[] = [];
    const end = performance.now() + 2000;
    for (let i = 0; times.length < 5 || performance.now() < end; i++) {
      const begin = performance.now();
      await run();
      if (i > 0) times.push(performance.now() - begin);
    }
    return median(times);
  };
  const { parameters: name, kept, coefficientsGradient } = preparationNames;
  const basisMs = await time(() => prepare.run({ [name]: parameters }));
  const made = await prepare.run({ [name]: parameters });
  const pullbackMs = await time(() =>
    pullback.run({ [name]: parameters, [kept]: made[kept]!, [coefficientsGradient]: parameters }),
  );
  await prepare.release();
  await pullback.release();
  return { basisMs, pullbackMs };
}
