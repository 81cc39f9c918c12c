import { packColumns } from '../../../webview/contract/packed.ts';
import type { Losses } from '../../../webview/contract/run.ts';
import { type StepColumn, stepColumns } from './columns.ts';
import type { RunLog } from './run-log.ts';
import { thin } from './thin.ts';

const shown: readonly StepColumn[] = ['step', 'loss', 'smoothedLoss', 'learningRate'];

/** The losses of a stretch of steps with at most about so many points. */
export function lossesOf(
  { steps, validation }: RunLog,
  { points, from, to }: { readonly points: number; readonly from?: number; readonly to?: number },
): Losses {
  const step = steps.column('step');
  const { rows, thinned } = thin(step, steps.column('loss'), points, from, to);
  return {
    losses: packColumns(
      shown.map((name) => {
        const column = steps.column(name);
        return Float64Array.from(rows, (row) => column[row]!);
      }),
    ),
    validation: packedValidation(validation),
    thinned,
    lastStep: step.at(-1) ?? 0,
  };
}

/** Rows from one on, and validations from one on. */
export const lossesFrom = (
  { steps, validation }: RunLog,
  row: number,
  validationRow: number,
): Pick<Losses, 'losses' | 'validation'> => ({
  losses: packColumns(shown.map((name) => steps.column(name).subarray(row))),
  validation: packedValidation(validation.slice(validationRow)),
});

const packedValidation = (validation: RunLog['validation']) =>
  packColumns([validation.map(({ step }) => step), validation.map(({ loss }) => loss)]);

const headings: Record<StepColumn, string> = {
  step: 'step',
  loss: 'loss',
  smoothedLoss: 'smoothed_loss',
  learningRate: 'learning_rate',
  gradientNorm: 'gradient_norm',
  seconds: 'seconds',
  memoryBytes: 'memory_bytes',
};

/** All steps of some runs as a table of comma-separated values, a validation loss beside the step it was measured after. */
export function lossTable(runs: readonly { readonly id: string; readonly log: RunLog }[]): string {
  const lines = [['run', ...stepColumns.map((name) => headings[name]), 'validation_loss'].join(',')];
  for (const { id, log } of runs) {
    const measured = new Map(log.validation.map(({ step, loss }) => [step, loss]));
    const columns = stepColumns.map((name) => log.steps.column(name));
    for (let row = 0; row < log.steps.length; row++)
      lines.push(
        [id, ...columns.map((column) => column[row]!), measured.get(columns[0]![row]!) ?? ''].join(','),
      );
  }
  return `${lines.join('\n')}\n`;
}
