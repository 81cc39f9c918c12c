import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { resolveSpec } from '../../../remote-agent/src/dataset/spec.ts';
import type { BaseCheck } from '../../../remote-agent/src/protocol/contract/bases.ts';
import { loadSubject } from '../../../remote-agent/src/subject/load.ts';
import type { TrainSpec } from '../../../remote-agent/src/subject/train-spec.ts';
import { costOf, costWords, type Pace, paceFor } from '../../../src/runs/cost.ts';
import { noteEstimate, readEstimate } from '../../../src/runs/estimate.ts';

/** The spec of the sample subject with other settings, as it is sent to a host. */
function spec(training: object = {}, device: TrainSpec['device'] = 'cpu'): TrainSpec {
  const subject = loadSubject(new URL('../../../examples/dog/dog.para.json', import.meta.url).pathname);
  const made = resolveSpec(subject, { device }, (name) => ({ name, hash: 'ab'.repeat(32) }));
  return { ...made, training: { ...made.training, steps: 200, batch: 1, accumulation: 1, ...training } };
}

const pace = (host: string, base: string, method: string, secondsPerStep: number): Pace => ({
  ...{ host, base, method, secondsPerStep },
});

describe('what a run is expected to take', () => {
  const gb = 1e9;
  const check = { parts: [], name: 'b', problems: [], memory: { unetWeights: 1, generation: 2 * gb } };
  const checked: BaseCheck = {
    ...check,
    memory: { ...check.memory, training: 6 * gb, leanTraining: 4 * gb },
  };

  test('is its steps at the pace of runs before it, each made of all its pictures', () => {
    expect(costOf(spec(), 0.5)).toEqual({ steps: 200, seconds: 100 });
    expect(costOf(spec({ steps: 50, accumulation: 2, batch: 2 }), 0.5)).toEqual({ steps: 50, seconds: 100 });
  });

  test('has no time and no memory where nobody can tell', () => {
    expect(costOf(spec())).toEqual({ steps: 200 });
    expect(costOf(spec(), undefined, undefined, check)).toEqual({ steps: 200 });
  });

  test("takes the host's plan of its memory before what the base alone tells, and the lean figure where it is lean", () => {
    expect(costOf(spec(), undefined, undefined, checked).memoryBytes).toBe(6 * gb);
    expect(costOf(spec({ memory: 'lean' }), undefined, undefined, checked).memoryBytes).toBe(4 * gb);
    const plan = { mode: 'fast', turns: false, neededBytes: 3 * gb, freeBytes: 8 * gb } as const;
    expect(costOf(spec(), undefined, plan, checked)).toEqual({
      steps: 200,
      memoryBytes: 3 * gb,
      memory: plan,
    });
  });

  test('goes by the newest run alike: of the same host and base, and of the same method where there is one', () => {
    const known = [
      pace('gpu', 'sdxl', 'lora', 1),
      pace('gpu', 'sdxl', 'para', 2),
      pace('gpu', 'sdxl', 'para', 3),
      pace('here', 'pocket', 'lora', 4),
    ];
    expect(paceFor(known, { host: 'gpu', base: 'sdxl', method: 'para' })).toBe(2);
    expect(paceFor(known, { host: 'here', base: 'pocket', method: 'para' })).toBe(4);
    expect(paceFor(known, { host: 'here', base: 'sdxl', method: 'para' })).toBeUndefined();
    expect(paceFor([], { host: 'gpu', base: 'sdxl', method: 'para' })).toBeUndefined();
  });

  test('is said in one line: method, steps, time, device, memory', () => {
    const plan = { mode: 'fast', turns: false, neededBytes: 0.9 * gb, freeBytes: 8 * gb } as const;
    expect(costWords(spec(), costOf(spec(), 0.03, plan))).toBe(
      'PaRa, 200 steps, about 6 s, 900 MB of memory, 8.0 GB free, memory mode fast',
    );
    expect(costWords(spec({}, 'cuda'), costOf(spec({}, 'cuda')))).toBe(
      'PaRa, 200 steps, time known after the first steps, on its GPU',
    );
  });

  test('stays with the run, and is no hindrance where it is damaged or was never said', () => {
    const folder = mkdtempSync(join(tmpdir(), 'para-cost-'));
    expect(readEstimate(folder)).toBeUndefined();
    const estimate = { text: 'PaRa, 200 steps', seconds: 6, memoryBytes: gb };
    noteEstimate(folder, estimate);
    expect(readEstimate(folder)).toEqual(estimate);
    writeFileSync(join(folder, 'estimate.json'), '{"text": "PaRa", "seconds": "soon"}');
    expect(readEstimate(folder)).toEqual({ text: 'PaRa' });
    writeFileSync(join(folder, 'estimate.json'), '{');
    expect(readEstimate(folder)).toBeUndefined();
  });
});
