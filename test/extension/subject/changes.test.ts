import { parse } from 'jsonc-parser';
import { describe, expect, it } from 'vitest';
import { changed, setValue, setValues } from '../../../src/subject/changes.ts';

const text = `{
  // the pictures
  "pictures": [
    "a.png", // from the left
    "b.png"
  ],
  "class": "dog" // ours
}
`;
const set = (at: (string | number)[], value: unknown, before = text) =>
  changed(before, setValue(before, at, value));

describe('an edit of a subject file', () => {
  it('keeps comments where they were when a setting is added', () => {
    const after = set(['training', 'steps'], 5);
    expect(after).toContain('"class": "dog", // ours\n  "training": {\n    "steps": 5\n  }\n}');
    expect(after).toContain('// the pictures');
    expect(parse(after)).toEqual({ ...(parse(text) as object), training: { steps: 5 } });
  });

  it('adds to a list, also where it ends with a comma', () => {
    for (const before of [
      text,
      text.replace('"b.png"', '"b.png",'),
      text.replace('"b.png"', '"b.png", // c'),
    ]) {
      const after = set(['pictures', 2], { file: 'c.png', caption: 'a dog' }, before);
      const errors: unknown[] = [];
      const value = parse(after, errors as never[], { allowTrailingComma: true }) as { pictures: unknown[] };
      expect(errors).toEqual([]);
      expect(value.pictures).toEqual(['a.png', 'b.png', { file: 'c.png', caption: 'a dog' }]);
    }
  });

  it('makes objects and lists that are not there yet, in an empty file too', () => {
    expect(parse(set(['samples', 'prompts', 0], 'a dog', '{}'))).toEqual({ samples: { prompts: ['a dog'] } });
  });

  it('takes a picture or a setting out and leaves valid JSON', () => {
    expect(parse(set(['pictures', 0], undefined))).toEqual({ pictures: ['b.png'], class: 'dog' });
    expect(parse(set(['pictures', 1], undefined))).toEqual({ pictures: ['a.png'], class: 'dog' });
    expect(set(['method', 'rank'], undefined)).toBe(text);
  });

  it('takes any item out of any list and leaves the others with their comments', () => {
    for (const list of [
      '["a", "b", "c"]',
      '["a","b","c",]',
      '[\n  "a", // one\n  // about b\n  "b", // two\n  // about c\n  "c" // three\n]',
      '[ "a" /* one */, "b" /* two */ , "c" /* three */ ]',
    ])
      for (const [i, item] of ['a', 'b', 'c'].entries()) {
        const before = `{ "pictures": ${list} }`;
        const after = set(['pictures', i], undefined, before);
        const errors: never[] = [];
        expect(parse(after, errors, { allowTrailingComma: true })).toEqual({
          pictures: ['a', 'b', 'c'].filter((one) => one !== item),
        });
        expect(errors).toEqual([]);
        for (const note of ['one', 'two', 'three'].filter((_, k) => k !== i))
          if (before.includes(note)) expect(after).toContain(note);
        if (before.includes('// about c') && item === 'b') expect(after).toContain('// about c');
      }
  });

  it('leaves a setting on its line when it gets another value', () => {
    const before = '{\n  "training": { "steps": 20, "batch": 1 } // short\n}\n';
    expect(set(['training', 'steps'], 30, before)).toBe(before.replace('20', '30'));
  });

  it('keeps tabs and line ends of Windows', () => {
    const windows = text.replaceAll('  ', '\t').replaceAll('\n', '\r\n');
    const after = set(['training', 'steps'], 5, windows);
    expect(after).toContain('\r\n\t"training": {\r\n\t\t"steps": 5\r\n\t}');
  });

  it('can set several values as one change', () => {
    const changes = setValues(text, [
      [['trigger'], 'qvz'],
      [['class'], 'cat'],
    ]);
    expect(changes).toHaveLength(1);
    expect(parse(changed(text, changes))).toEqual({
      pictures: ['a.png', 'b.png'],
      class: 'cat',
      trigger: 'qvz',
    });
  });
});
