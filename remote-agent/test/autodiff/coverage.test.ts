import { describe, expect, it } from 'vitest';
import { ruledOperators } from '../../src/autodiff/registry.ts';
import { build } from './case.ts';
import { cases } from './cases.ts';
import { goldenCases, goldenGraph } from './goldens.ts';

/** Operators with a rule that none of these graphs differentiates. */
const untested = (graphs: readonly { operators: readonly string[] }[]) => {
  const seen = new Set(graphs.flatMap((graph) => graph.operators));
  return ruledOperators().filter((operator) => !seen.has(operator));
};

describe('every operator with a gradient rule', () => {
  it("is held against PyTorch's gradient (tools/golden/rules.py)", () => {
    expect(ruledOperators().length).toBeGreaterThan(0);
    expect(untested(goldenCases().map(goldenGraph))).toEqual([]);
  });

  it('is held against central differences (test/autodiff/cases.ts)', () => {
    expect(untested(cases.map(build))).toEqual([]);
  });
});
