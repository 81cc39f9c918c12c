import { fileURLToPath } from 'node:url';
import { contest, type Outcome } from '../contest.ts';
import { megabytes } from '../numbers.ts';
import { markdown, type Section } from '../section.ts';
import type { WorkerCase } from '../worker.ts';

interface TorchRow extends Outcome {
  readonly method: string;
  readonly batch: number;
  readonly rank: number;
}

const worker = fileURLToPath(new URL('bench-worker.js', import.meta.url));

/** The commands of the two sides for the same case. */
export function commands(
  what: WorkerCase,
  torch: { readonly python: string; readonly pipeline: string; readonly worker: string },
  threads: number,
): [string[], string[]] {
  const given = what.kind === 'step' ? what : { method: 'generate', batch: 1, rank: 0 };
  const theirs = [
    ...[torch.python, '-W', 'ignore', torch.worker, torch.pipeline, given.method],
    ...['--batch', String(given.batch), '--rank', String(given.rank)],
    ...['--threads', String(threads), '--device', what.device ?? 'cpu'],
  ];
  return [[process.execPath, worker, JSON.stringify(what)], theirs];
}

/** The ratios of a contest as cells: the median of the rounds, their spread, and best against best. */
export const ratios = ({ ratio, spread, bestRatio }: Outcome) => [
  `**${ratio.toFixed(2)}**`,
  spread.map((x) => x.toFixed(2)).join(' to '),
  bestRatio.toFixed(2),
];

/** What the two sides' processes are given. */
export const environments = (threads: number): [NodeJS.ProcessEnv, NodeJS.ProcessEnv] => [
  process.env,
  { ...process.env, OMP_NUM_THREADS: String(threads), HF_HUB_OFFLINE: '1' },
];

/** Our whole step against PyTorch eager with PEFT: same base, batch, adapter, optimiser and threads. */
export const pytorch: Section<TorchRow> = {
  name: 'pytorch',
  needsTorch: true,
  async measure({ base, torch, threads, say }) {
    const rows: TorchRow[] = [];
    for (const batch of [1, 4])
      for (const method of ['para', 'lora'] as const) {
        const rank = method === 'lora' ? 16 : 2;
        const what = { kind: 'step', base, method, rank, batch, memory: 'fast' } as const;
        const outcome = await contest(...commands(what, torch!, threads), {
          ...{ rounds: 9, blockMs: 800, env: environments(threads) },
        });
        rows.push({ method, batch, rank, ...outcome });
        say(`pytorch ${method} batch ${batch}: ${outcome.ratio.toFixed(2)} x as fast`);
      }
    return rows;
  },
  table(rows) {
    const over = ({ peakBytes, emptyBytes }: Outcome['ours']) => megabytes(peakBytes - emptyBytes);
    return markdown(
      [
        ...[
          'method',
          'batch',
          'times as fast',
          'least to most',
          'best against best',
          'ours, ms',
          'PyTorch, ms',
        ],
        ...[
          'our peak, MB',
          "PyTorch's peak, MB",
          'ours over the libraries, MB',
          "PyTorch's over the libraries, MB",
        ],
      ],
      rows.map((r) => [
        ...[r.method, r.batch, ...ratios(r)],
        ...[r.ours.medianMs.toFixed(1), r.theirs.medianMs.toFixed(1)],
        ...[megabytes(r.ours.peakBytes), megabytes(r.theirs.peakBytes), over(r.ours), over(r.theirs)],
      ]),
    );
  },
};
