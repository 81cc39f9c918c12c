// Started by scripts/bench.mjs: measures the sections that were asked for, then writes results and page.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, totalmem } from 'node:os';
import { join } from 'node:path';
import { type Results, writePage } from './page.ts';
import type { BenchContext, Section } from './section.ts';
import { basis } from './sections/basis.ts';
import { generation } from './sections/generation.ts';
import { host } from './sections/host.ts';
import { pytorch } from './sections/pytorch.ts';
import { startup } from './sections/startup.ts';
import { step } from './sections/step.ts';

const sections = [step, pytorch, generation, host, startup, basis] as Section[];

interface Options {
  readonly root: string;
  /** Names of sections; empty: all. */
  readonly only: readonly string[];
  readonly torch?: BenchContext['torch'] & { readonly library: string };
}

const { root, only, torch } = JSON.parse(process.argv[2]!) as Options;
const unknown = only.filter((name) => !sections.some((section) => section.name === name));
if (unknown.length > 0) {
  console.error(`There is no section "${unknown[0]}"; there are ${sections.map((s) => s.name).join(', ')}.`);
  process.exit(2);
}
const file = join(root, 'bench/results.json');
const results: Results = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Results) : {};
const runtime = JSON.parse(
  readFileSync(join(root, 'node_modules/onnxruntime-node/package.json'), 'utf8'),
) as { version: string };
const context: BenchContext = {
  root,
  base: join(root, 'remote-agent/bases/pocket-sdxl'),
  torch,
  threads: cpus().length,
  say: (line) => console.log(line),
};
for (const section of sections) {
  if (only.length > 0 && !only.includes(section.name)) continue;
  if (section.needsTorch && !torch) {
    console.log(`${section.name}: not measured, PyTorch is not installed; npm run bench -- --pytorch does`);
    continue;
  }
  const rows = await section.measure(context);
  results[section.name] = {
    date: new Date().toISOString().slice(0, 10),
    processor: cpus()[0]!.model.trim(),
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    runtime: runtime.version,
    load: loadavg()[1]!,
    ...(section.needsTorch ? { torch: torch!.library } : {}),
    rows,
  };
  // After each section: what was measured is kept if a later one fails.
  mkdirSync(join(root, 'bench'), { recursive: true });
  writeFileSync(file, `${JSON.stringify(results, null, 2)}\n`);
  writePage(join(root, 'docs/performance.md'), sections, results);
}
console.log('Written: bench/results.json and docs/performance.md');
