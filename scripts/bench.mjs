// `npm run bench [-- --seconds N]`: measures training steps on the base that ships; writes bench/results.json and the table of docs/performance.md.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, totalmem } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { install, root } from './install.mjs';

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '6' } } });
install();
const { build } = await import('esbuild');
const folder = join(root, 'remote-agent/dist/bench');
await build({
  absWorkingDir: root,
  entryPoints: ['remote-agent/bench/main.ts'],
  outdir: folder,
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  logLevel: 'warning',
  packages: 'external',
});
const base = join(root, 'remote-agent/bases/pocket-sdxl');
const cases = [];
for (const [side, batches] of [
  [16, [1, 4]],
  [64, [1]],
])
  for (const batch of batches)
    for (const method of ['para', 'lora'])
      for (const memory of ['fast', 'lean'])
        cases.push({ base, method, batch, memory, side, seconds: Number(values.seconds) });
const results = [];
for (const one of cases) {
  const said = execFileSync(process.execPath, [join(folder, 'main.js'), JSON.stringify(one)], {
    encoding: 'utf8',
  });
  const { base: _, ...what } = one;
  results.push({ ...what, ...JSON.parse(said) });
  const r = results.at(-1);
  console.log(
    `${r.method} batch ${r.batch} ${r.memory} ${r.side} x ${r.side}: step : forward ${r.ratio.toFixed(2)}`,
  );
}
const machine = {
  date: new Date().toISOString().slice(0, 10),
  processor: cpus()[0].model,
  cores: cpus().length,
  memoryGiB: Math.round(totalmem() / 2 ** 30),
  node: process.version,
  load: loadavg()[1],
};
mkdirSync(join(root, 'bench'), { recursive: true });
writeFileSync(join(root, 'bench/results.json'), `${JSON.stringify({ machine, steps: results }, null, 2)}\n`);

const mb = (bytes) => (bytes === 0 ? 'not told' : (bytes / 1e6).toFixed(0));
const lines = results.map(
  (r) =>
    `| ${r.method} | ${r.batch} | ${r.side} x ${r.side} | ${r.memory} | ${r.ratio.toFixed(2)} | ${r.stepMs.toFixed(1)} | ${r.forwardMs.toFixed(1)} | ${mb(r.activationBytes)} | ${r.stepNodes} |`,
);
const page = join(root, 'docs/performance.md');
const marks = ['<!-- steps -->', '<!-- end -->'];
const [head, rest] = readFileSync(page, 'utf8').split(marks[0]);
const table = [
  `Measured on ${machine.date}: ${machine.cores} x ${machine.processor}, ${machine.memoryGiB} GiB, Node ${machine.node}, load ${machine.load.toFixed(1)} from this and other work.`,
  '',
  '| method | batch | latents | memory | step : forward | step, ms | forward, ms | activations, MB | nodes |',
  '|---|---|---|---|---|---|---|---|---|',
  ...lines,
].join('\n');
writeFileSync(page, `${head}${marks[0]}\n${table}\n${rest.slice(rest.indexOf(marks[1]))}`);
