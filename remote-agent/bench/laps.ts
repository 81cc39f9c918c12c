// Loaded into a trainer before its own code (`node --import`): keeps the laps that it tells and writes them at its end.
import { subscribe } from 'node:diagnostics_channel';
import { writeFileSync } from 'node:fs';
import { type Lap, lapChannel } from '../src/common/lap.ts';

const file = process.env.PARA_BENCH_LAPS;
if (file) {
  const laps: Lap[] = [];
  subscribe(lapChannel, (lap) => laps.push(lap as Lap));
  process.on('exit', () => writeFileSync(file, JSON.stringify({ origin: performance.timeOrigin, laps })));
}
