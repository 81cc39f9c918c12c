import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { ParaError } from '../../src/common/errors.ts';
import { findPictures } from '../../src/dataset/find.ts';
import { parseSubject } from '../../src/subject/load.ts';

const work = mkdtempSync(join(tmpdir(), 'para-find-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));

/** A folder of `count` files; finding pictures looks at their bytes alone. */
function folder(name: string, count: number, nameOf = (i: number) => `p${i}.png`): string {
  const path = join(work, name);
  mkdirSync(path, { recursive: true });
  for (let i = 0; i < count; i++) writeFileSync(join(path, nameOf(i)), `picture ${i}`);
  return path;
}

const find = (directory: string, more: object = {}) => {
  const text = JSON.stringify({ pictures: ['.'], class: 'dog', ...more });
  return findPictures(parseSubject(text, join(directory, 'dog.para.json')));
};
const names = (list: readonly { file: string }[]) => list.map(({ file }) => basename(file)).sort();

describe('pictures for validation', () => {
  for (const [count, held] of [
    [1, 0],
    [6, 0],
    [9, 0],
    [10, 1],
    [19, 1],
    [25, 2],
  ] as const)
    it(`are ${held} of ${count} when nothing is said`, () => {
      const found = find(folder(`auto-${count}`, count));
      expect(found.validationPictures).toHaveLength(held);
      expect(new Set(names([...found.pictures, ...found.validationPictures])).size).toBe(count);
      expect(found.pictures).toHaveLength(count - held);
    });

  it('are the share that was asked for, at least one, and never all', () => {
    const six = folder('six', 6);
    const count = (share: number, directory = six) =>
      find(directory, { validation: { share } }).validationPictures.length;
    expect([0, 0.01, 0.34, 0.5, 0.99].map((share) => count(share))).toEqual([0, 1, 2, 3, 5]);
    expect(count(0.5, folder('one', 1))).toBe(0);
  });

  it('are chosen by content and seed, not by name or place', () => {
    const choice = (directory: string, seed: number) =>
      find(directory, { training: { seed }, validation: { share: 0.3 } })
        .validationPictures.map((p) => p.sha256)
        .sort();
    const here = folder('here', 20);
    const there = folder('there', 20, (i) => `other-${99 - i}.jpg`);
    expect(choice(there, 0)).toEqual(choice(here, 0));
    expect(choice(here, 1)).not.toEqual(choice(here, 0));
  });

  it('never show a picture of the same content in training', () => {
    const twins = folder('twins', 10);
    folder('twins', 10, (i) => `copy-${i}.png`);
    const { pictures, validationPictures } = find(twins);
    expect(validationPictures).toHaveLength(2);
    const held = new Set(validationPictures.map((p) => p.sha256));
    expect(held.size).toBe(1);
    expect(pictures.filter((p) => held.has(p.sha256))).toEqual([]);
  });

  it('are those that are named, where some are named', () => {
    const found = find(folder('named', 12), { validation: { pictures: ['p3.png'], share: 0.5 } });
    expect(names(found.validationPictures)).toEqual(['p3.png']);
    expect(found.pictures).toHaveLength(11);
  });

  it('are none without a measurement, unless a share was asked for', () => {
    const twelve = folder('twelve', 12);
    expect(find(twelve, { validation: { every: 0 } }).validationPictures).toEqual([]);
    expect(find(twelve, { validation: { every: 0, share: 0.25 } }).validationPictures).toHaveLength(3);
  });
});

describe('captions', () => {
  const captions = (list: readonly { file: string; caption: string }[]) =>
    Object.fromEntries(list.map(({ file, caption }) => [basename(file), caption]));

  it('come from the subject file, a text beside the picture, a table, or trigger and class word', () => {
    const directory = folder('captions', 5);
    writeFileSync(join(directory, 'p0.txt'), ' a zwx dog on grass\n');
    writeFileSync(join(directory, 'p3.txt'), 'not this one');
    const rows = [
      { file_name: 'p1.png', text: 'a zwx dog asleep' },
      { file_name: 'p0.png', text: 'nor this' },
    ];
    writeFileSync(
      join(directory, 'metadata.jsonl'),
      rows.map((row) => `${JSON.stringify(row)}\n`).join('\n'),
    );
    const pictures = ['p[01].png', '.', { file: 'p3.png', caption: 'a zwx dog in water' }];
    const found = find(directory, { pictures, trigger: 'zwx' });
    expect(captions(found.pictures)).toEqual({
      'p0.png': 'a zwx dog on grass',
      'p1.png': 'a zwx dog asleep',
      'p2.png': 'a zwx dog',
      'p3.png': 'a zwx dog in water',
      'p4.png': 'a zwx dog',
    });
  });

  it('in a table with a broken line are refused with that line', () => {
    const directory = folder('broken-captions', 1);
    const table = join(directory, 'metadata.jsonl');
    writeFileSync(table, '{"file_name":"p0.png","text":"x"}\n{"file_name":\n');
    expect(() => find(directory)).toThrow(expect.objectContaining({ code: 'subject', where: `${table}:2` }));
  });
});

describe('pictures that are missing', () => {
  it('are all named in one error', () => {
    const directory = folder('missing', 2);
    let error: unknown;
    try {
      find(directory, { pictures: ['p0.png', 'gone-*.png', { file: 'lost.png', caption: 'x' }, 'nowhere'] });
    } catch (cause) {
      error = cause;
    }
    expect(error).toBeInstanceOf(ParaError);
    for (const name of ['gone-*.png', 'lost.png', 'nowhere'])
      expect((error as ParaError).message).toContain(name);
    expect((error as ParaError).message).toContain('3 problems');
    expect((error as ParaError).code).toBe('picture');
  });
});
