import { markdown } from '../section.ts';
import type { Card, Check, ContestRow, GpuResults, SideRow, StageRecord } from './results.ts';
import { stages } from './stages/index.ts';

type Records = GpuResults['stages'];

const none = '-';
const gigabytes = (bytes: number | undefined) => (bytes ? (bytes / 1e9).toFixed(2) : none);
const megabytes = (bytes: number | undefined) => (bytes === undefined ? none : (bytes / 1e6).toFixed(1));
const percent = (share: number | undefined) => (share === undefined ? none : `${(100 * share).toFixed(1)} %`);
const milliseconds = (ms: number | undefined) => (ms === undefined ? none : ms.toFixed(1));

/** A table, which stands empty and says why where nothing was measured. */
function table(
  head: readonly string[],
  rows: readonly (readonly (string | number)[])[],
  card: Card | undefined,
): string {
  const empty = card ? 'Not measured yet.' : 'Empty: no card was at hand.';
  return `${markdown(head, rows)}${rows.length > 0 ? '' : `\n\n${empty}`}`;
}

const rowsOf = <K extends string>(records: Records, kind: K) =>
  stages.flatMap(({ name }) => {
    const row = records[name]?.row;
    return row?.kind === kind
      ? [[name, row as Extract<NonNullable<StageRecord['row']>, { kind: K }>] as const]
      : [];
  });

const written = ({ value, unit }: Pick<Check, 'value' | 'unit'>) =>
  unit ? `${value} ${unit}` : value === 0 ? '0' : value.toExponential(1);

function correctness(records: Records, card: Card | undefined): string {
  const rows = rowsOf(records, 'checks').flatMap(([, { checks }]) =>
    checks.map((check) => [
      ...[check.what, check.against, written(check), written({ ...check, value: check.bound })],
      check.value <= check.bound ? 'yes' : '**no**',
    ]),
  );
  return table(['what', 'against', 'difference', 'bound', 'within'], rows, card);
}

/** What a side took of the card: what the card's own count says, else what the driver says of the process. */
const onCard = (side: SideRow | undefined) => gigabytes(side?.cardBytes ?? side?.devicePeakBytes);

function contestTable(records: Records, work: ContestRow['work'], card: Card | undefined): string {
  const rows = rowsOf(records, 'contest').flatMap(([name, row]) => {
    if (row.work !== work) return [];
    const { ours, theirs } = row;
    const label =
      work === 'train'
        ? [row.method!, row.memory === 'lean' ? 'lean / checkpointing' : 'fast']
        : [row.compiled ? 'torch.compile' : 'eager'];
    return [
      [
        ...[...label, row.precision, `${row.pixels} px`],
        theirs ? `**${(theirs.medianMs / ours.medianMs).toFixed(2)}**` : `no PyTorch (\`${name}\`)`,
        ...[milliseconds(ours.medianMs), milliseconds(theirs?.medianMs)],
        ...[onCard(ours), onCard(theirs), gigabytes(theirs?.allocatedBytes)],
        ...(work === 'train' ? [gigabytes(ours.estimatedBytes)] : []),
        ...[watts(ours), watts(theirs)],
      ],
    ];
  });
  const label = work === 'train' ? ['method', 'memory'] : ['PyTorch'];
  const head = [
    ...[...label, 'precision', 'picture', 'times as fast', 'ours, ms', 'PyTorch, ms'],
    ...['ours on the card, GB', 'PyTorch on the card, GB', 'PyTorch in use, GB'],
    ...(work === 'train' ? ['our plan, GB'] : []),
    ...['ours, W', 'PyTorch, W'],
  ];
  return table(head, rows, card);
}

const watts = (side: SideRow | undefined) => (side?.watts === undefined ? none : side.watts.toFixed(0));

function host(records: Records, card: Card | undefined): string {
  const steps = rowsOf(records, 'contest').flatMap(([name, { ours }]) => [
    [
      ...[`\`${name}\``, milliseconds(ours.medianMs), percent(ours.hostShare)],
      ...[megabytes(ours.toBytes), megabytes(ours.fromBytes)],
    ],
  ]);
  const runs = rowsOf(records, 'run').map(([name, { stepMs, share, parts }]) => [
    ...[`\`${name}\`: ${partsText(parts)}`, milliseconds(stepMs), percent(share), none, none],
  ]);
  return table(['work', 'ms', 'outside the session', 'MB to the card', 'MB back'], [...steps, ...runs], card);
}

const partsText = (parts: Readonly<Record<string, number>>) =>
  Object.entries(parts)
    .map(([part, ms]) => `${part} ${ms.toFixed(1)}`)
    .join(', ');

function stageTable(records: Records, card: Card | undefined): string {
  const rows = stages.flatMap(({ name }) => {
    const record = records[name];
    if (!record) return [];
    const { memory, watts: power, row, failed } = record;
    const facts = row && 'facts' in row ? Object.entries(row.facts ?? {}) : [];
    return [
      [
        ...[`\`${name}\``, record.date, record.seconds.toFixed(0)],
        failed === undefined
          ? facts.map(([what, value]) => `${what} ${value}`).join('; ') || 'done'
          : `**failed**: ${cell(failed)}`,
        ...(memory ? [memory.before, memory.peak, memory.after].map(gigabytes) : [none, none, none]),
        ...(power ? [power.mean.toFixed(0), power.peak.toFixed(0)] : [none, none]),
      ],
    ];
  });
  const head = [
    ...['stage', 'date', 's', 'outcome', 'card before, GB', 'at its highest', 'after'],
    ...['mean power, W', 'highest'],
  ];
  return table(head, rows, card);
}

/** Text that stays in its cell. */
const cell = (text: string) => text.replaceAll('|', '\\|').replaceAll('\n', ' ');

function heading({ card, stages: records }: GpuResults): string {
  if (!card) return 'No card was at hand: nothing here was measured on one, and the tables stand empty.';
  const libraries = new Set(rowsOf(records, 'contest').flatMap(([, { theirs }]) => theirs?.library ?? []));
  const where = card.gpu
    ? `${card.gpu} (${card.memory}), driver ${card.driver}`
    : `**a rehearsal on the device "${card.device}", not on a card**`;
  const weights = card.checkpoint ? `the checkpoint \`${card.checkpoint}\`` : 'random weights';
  const size = `${card.widths === 'full' ? 'SDXL at full size' : '**SDXL with few channels**'}, ${weights}`;
  return `Measured on ${where}: ONNX Runtime ${card.runtime}, Node ${card.node}, ${card.cores} x ${card.processor}; ${size}${libraries.size > 0 ? `; against ${[...libraries].join(' and ')}` : ''}.`;
}

/** The page of the results; the same results give the same page. */
export function pageOf(results: GpuResults): string {
  const { card, stages: records } = results;
  return `# On a GPU
${heading(results)} \`npm run gpu-check\` writes this page from \`bench/gpu-results.json\`; how, and what its stages are, says [gpu-machine.md](gpu-machine.md).

## Correct
On the small base the device against the CPU, where matrix products are not rounded to TF32 unless it says so; at full size one step from random values of the adapter, against PyTorch on the same card without TF32, and against the CPU. A gradient's difference is the norm of the difference by the norm.

${correctness(records, card)}

## A training step against PyTorch
Batch 1, the attention layers, PaRa with gamma 1/40 and LoRA of rank 16: loss, gradient, clipping, AdamW. PyTorch is diffusers with PEFT where they are installed, else the same U-Net in plain modules; scaled_dot_product_attention; f16 under autocast with f32 adapters, f32 with TF32 on both sides. \`lean\` stands against gradient checkpointing. Sides run one after the other, alone on the card: what the card has in use beyond what it had before is theirs, CUDA's own included. Goals: 1.0, then 1.2 times as fast, and no more memory.

${contestTable(records, 'train', card)}

## A picture against PyTorch
Text encoders, 30 DDIM steps with guidance 5, VAE in f32; another prompt each time. Goals: as fast as eager PyTorch, then as \`torch.compile\`.

${contestTable(records, 'draw', card)}

## Work beside the card
What of a step is not the session of the U-Net (the goal is below 5 %), and what crosses the bus in a step or picture. \`run\` is a run of the product's own trainer, with its parts in milliseconds.

${host(records, card)}

## Stages
Memory and power are the card's, from its driver, every 0.15 s.

${stageTable(records, card)}
`;
}
