import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { type Results, withTables } from '../../bench/page.ts';
import { sections } from '../../bench/sections/index.ts';

const read = (path: string) => readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8');

test('the tables of docs/performance.md say what bench/results.json holds', () => {
  const page = read('docs/performance.md');
  const results = JSON.parse(read('bench/results.json')) as Results;
  for (const name of Object.keys(results)) expect(sections.map((section) => section.name)).toContain(name);
  expect(withTables(page, sections, results)).toBe(page);
});
