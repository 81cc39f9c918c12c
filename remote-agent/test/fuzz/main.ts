// Started by scripts/fuzz.mjs: ROOT SCRATCH SEED COUNT.
import { campaign } from './campaign.ts';
import { targets } from './targets.ts';

const [root, scratch, seed, count] = process.argv.slice(2) as [string, string, string, string];
const kinds = await targets(root, scratch);
const share = Math.ceil(Number(count) / kinds.length);
let escaped = 0;
for (const target of kinds) {
  const tally = await campaign(target, Number(seed), share);
  const parts = [...tally.outcomes].sort((a, b) => b[1] - a[1]).map(([what, n]) => `${what} ${n}`);
  console.log(
    `${tally.kind.padEnd(14)}${String(tally.cases).padStart(6)} files: ${parts.join(', ')}; slowest ${tally.slowestMs.toFixed(0)} ms`,
  );
  for (const one of tally.escaped.slice(0, 8))
    console.log(`  seed ${one.seed}: ${one.message.split('\n').slice(0, 4).join('\n    ')}`);
  escaped += tally.escaped.length;
}
console.log(
  escaped === 0
    ? 'every damaged file was read or refused with a typed error'
    : `${escaped} failures were not typed`,
);
process.exitCode = escaped === 0 ? 0 : 1;
