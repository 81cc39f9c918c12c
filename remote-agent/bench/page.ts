import { readFileSync, writeFileSync } from 'node:fs';
import type { Section } from './section.ts';

/** The machine and the day of a measurement. */
export interface Circumstances {
  readonly date: string;
  readonly processor: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly node: string;
  readonly runtime: string;
  /** Mean load over five minutes, from this and other work. */
  readonly load: number;
  readonly torch?: string;
}

/** What bench/results.json holds, by section. */
export type Results = Record<string, Circumstances & { readonly rows: readonly unknown[] }>;

const described = (c: Circumstances) =>
  `Measured on ${c.date}: ${c.cores} x ${c.processor}, ${c.memoryGiB} GiB, Node ${c.node}, ONNX Runtime ${c.runtime}${c.torch ? `, ${c.torch}` : ''}; load ${c.load.toFixed(1)} from this and other work.`;

/** A page with the tables of all sections between their marks (`<!-- NAME -->` and `<!-- end NAME -->`). */
export function withTables(page: string, sections: readonly Section[], results: Results): string {
  let text = page;
  for (const section of sections) {
    const found = results[section.name];
    const table = found ? `${described(found)}\n\n${section.table(found.rows)}` : 'Not measured yet.';
    const [begin, end] = [`<!-- ${section.name} -->`, `<!-- end ${section.name} -->`];
    const from = text.indexOf(begin);
    const to = text.indexOf(end);
    if (from < 0 || to < from) throw new Error(`The page has no place for "${section.name}"`);
    text = `${text.slice(0, from + begin.length)}\n${table}\n${text.slice(to)}`;
  }
  return text;
}

/** Brings the tables of the page at `path` up to date. */
export function writePage(path: string, sections: readonly Section[], results: Results): void {
  writeFileSync(path, withTables(readFileSync(path, 'utf8'), sections, results));
}
