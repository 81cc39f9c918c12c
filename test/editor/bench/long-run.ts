import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** As many as a fast small model makes in an hour or two. */
export const stepsOfAnHour = 100_000;

/** Makes of a finished run one that is older and far longer: its last step again and again. */
export function longRun(run: string, target: string): void {
  cpSync(run, target, { recursive: true });
  const name = (file: string) => join(target, file);
  const lines = readFileSync(name('events.jsonl'), 'utf8').trimEnd().split('\n');
  const events = lines.map((line) => JSON.parse(line) as { type: string; seq: number; step?: number });
  const last = events.findLastIndex(({ type }) => type === 'step');
  const { seq, step = 0 } = events[last]!;
  const more = Array.from({ length: stepsOfAnHour - step }, (_, i) => ({
    ...events[last]!,
    ...{ seq: seq + 1 + i, step: step + 1 + i },
  }));
  const rest = events.slice(last + 1).map((event, i) => ({ ...event, seq: seq + more.length + 1 + i }));
  const all = [...events.slice(0, last + 1), ...more, ...rest];
  writeFileSync(name('events.jsonl'), `${all.map((event) => JSON.stringify(event)).join('\n')}\n`);
  const rewrite = (file: string, change: (value: Record<string, unknown>) => object) =>
    writeFileSync(name(file), JSON.stringify(change(JSON.parse(readFileSync(name(file), 'utf8')))));
  rewrite('status.json', (status) => ({ ...status, step: stepsOfAnHour, steps: stepsOfAnHour }));
  rewrite('spec.json', (spec) => ({ ...spec, createdAt: '2020-01-01T00:00:00.000Z' }));
}
