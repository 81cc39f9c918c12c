// Started by scripts/bench.mjs: measures the sections that were asked for, then writes results and page.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, totalmem } from 'node:os';
import { join } from 'node:path';
import { type Results, writePage } from './page.ts';
import type { BenchContext } from './section.ts';
import { sections } from './sections/index.ts';

interface Options {
  readonly root: string;
  /** Names of sections; empty: all. */
  readonly only: readonly string[];
  /** Measure nothing: write the page from the results that are there. */
  readonly tables: boolean;
  readonly torch?: BenchContext['torch'] & { readonly library: string };
}

const { root, only, tables, torch } = JSON.parse(process.argv[2]!) as Options;
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
const page = join(root, 'docs/performance.md');
const context: BenchContext = {
  root,
  base: join(root, 'remote-agent/bases/pocket-sdxl'),
  torch,
  threads: cpus().length,
  say: (line) => console.log(line),
};
if (!tables && loadavg()[0]! > cpus().length)
  console.log(
    `The machine is busy (load ${loadavg()[0]!.toFixed(1)} on ${cpus().length} cores): these figures will be distorted.`,
  );
for (const section of sections) {
  if (tables || (only.length > 0 && !only.includes(section.name))) continue;
  if (section.needsTorch && !torch) {
    console.log(`${section.name}: not measured, PyTorch is not installed; npm run bench -- --pytorch does`);
    continue;
  }
  let rows: unknown[];
  try {
    rows = await section.measure(context);
  } catch (cause) {
    // The other sections do not depend on it.
    console.error(`${section.name}: failed:`, cause);
    process.exitCode = 1;
    continue;
  }
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
  writePage(page, sections, results);
}
if (tables) writePage(page, sections, results);
console.log('Written: bench/results.json and docs/performance.md');
