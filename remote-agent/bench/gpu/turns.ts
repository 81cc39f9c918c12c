// Which stages run beside each other, and how long all of them take.
import { cpus, totalmem } from 'node:os';
import type { GpuOptions, Stage } from './stage.ts';

/**
 * Stages in turns: those of one turn run beside each other, each after those of it that it needs.
 * @param beside whether the machine has room for what is not timed in one turn; else all run one by one
 */
export function turnsOf(chosen: readonly Stage[], beside: boolean): Stage[][] {
  const together = beside ? chosen.filter(({ untimed }) => untimed) : [];
  const others = chosen.filter((stage) => !together.includes(stage));
  const needed = new Set(together.flatMap(({ needs = [] }) => needs));
  const earliest = chosen.findIndex((stage) => together.includes(stage));
  const lastNeeded = chosen.findLastIndex((stage) => others.includes(stage) && needed.has(stage.name));
  const isFirst = (stage: Stage) => chosen.indexOf(stage) <= Math.max(earliest, lastNeeded);
  const alone = (list: readonly Stage[]) => list.map((stage) => [stage]);
  return [
    ...alone(others.filter(isFirst)),
    ...(together.length > 0 ? [together] : []),
    ...alone(others.filter((stage) => !isFirst(stage))),
  ];
}

/** About how long turns take at full size, seconds. */
export function estimated(turns: readonly (readonly Stage[])[]): number {
  const ofTurn = (turn: readonly Stage[]) => {
    const until = (stage: Stage): number => {
      const before = turn.filter(({ name }) => stage.needs?.includes(name)).map(until);
      return stage.seconds + Math.max(0, ...before);
    };
    return Math.max(0, ...turn.map(until));
  };
  return turns.reduce((sum, turn) => sum + ofTurn(turn), 0);
}

/**
 * Whether the machine has room for all that is not timed at once: two full-size steps in f32 on the card, PyTorch and a
 * step on the processor in its memory.
 */
export function hasRoom({ gpu, device, widths }: GpuOptions): boolean {
  if (widths === 'small') return true;
  const onCard = device !== 'cuda' || Number.parseFloat(gpu?.memory ?? '') >= 39_000;
  return onCard && totalmem() >= 60e9 && cpus().length >= 8;
}
