import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const agent = join(import.meta.dirname, '../..');
const page = readFileSync(join(agent, '../docs/errors.md'), 'utf8');

describe('the table of errors', () => {
  it('names tests that exist', () => {
    const wrong: string[] = [];
    let named = 0;
    for (const line of page.split('\n'))
      for (const [, file, titles] of line.matchAll(/`(test\/[^`]+\.test\.ts)`((?: "[^"]+")*)/g)) {
        const path = join(agent, file!);
        const text = existsSync(path) ? readFileSync(path, 'utf8') : '';
        if (text === '') wrong.push(file!);
        for (const [, title] of titles!.matchAll(/"([^"]+)"/g)) {
          named++;
          if (!text.includes(title!)) wrong.push(`${file}: ${title}`);
        }
      }
    expect(wrong).toEqual([]);
    expect(named).toBeGreaterThan(50);
  });

  it('has every code that a caller may branch on', () => {
    const codes = [
      ...readFileSync(join(agent, 'src/common/errors.ts'), 'utf8').matchAll(/^ {2}\| '([a-z-]+)'/gm),
    ];
    expect(codes.length).toBeGreaterThan(20);
    const missing = codes.map(([, code]) => code).filter((code) => !page.includes(`\`${code}\``));
    expect(missing).toEqual([]);
  });
});
