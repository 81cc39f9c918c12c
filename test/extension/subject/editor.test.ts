import { parse } from 'jsonc-parser';
import { describe, expect, it } from 'vitest';
import { inEnglish } from '../../../remote-agent/src/common/translate.ts';
import { parseSubject } from '../../../remote-agent/src/subject/load.ts';
import { changed } from '../../../src/subject/changes.ts';
import { SubjectDocument, spotOfString } from '../../../src/subject/document.ts';
import { draftSubject, guessClass, subjectName } from '../../../src/subject/draft.ts';
import { captionChanges, rewritten } from '../../../src/subject/editor/captions.ts';
import { fieldGroups, schemaTexts, valueOfField } from '../../../src/subject/editor/fields.ts';
import { addEntries, freePath, removeEntry } from '../../../src/subject/editor/pictures.ts';
import { findGallery } from '../../../src/subject/gallery.ts';
import { rareTrigger } from '../../../src/subject/trigger.ts';
import { memoryFiles } from './memory-files.ts';

const text = `{
  // ours
  "pictures": [{ "file": "a.png", "caption": "a zwx dog" }, "b.png", "more"],
  "class": "dog"
}
`;
const contents = {
  '/s/a.png': '',
  '/s/b.png': '',
  '/s/more/c.png': '',
  '/s/more/d.png': '',
  '/s/more/d.txt': 'd, a zwx dog',
  '/s/more/metadata.jsonl':
    '{"file_name": "c.png", "text": "c, a zwx dog", "more": 1}\n{"file_name": "x.png"}\n',
};
const files = memoryFiles(contents);
const gallery = () => findGallery(new SubjectDocument(text), '/s', files);

describe('a caption', () => {
  it('is changed where it is kept', async () => {
    const wanted = new Map(
      ['/s/a.png', '/s/b.png', '/s/more/c.png', '/s/more/d.png'].map((path, i) => [path, `new ${i}`]),
    );
    const changes = await captionChanges(text, await gallery(), wanted, files);
    const after = changed(text, changes.changes);
    expect(after).toContain('// ours');
    expect((parse(after) as { pictures: unknown }).pictures).toEqual([
      { file: 'a.png', caption: 'new 0' },
      { file: 'b.png', caption: 'new 1' },
      'more',
    ]);
    expect([...changes.files]).toEqual([
      [
        '/s/more/c.png'.replace('c.png', 'metadata.jsonl'),
        expect.stringContaining('"text":"new 2","more":1'),
      ],
      ['/s/more/d.txt', 'new 3\n'],
    ]);
  });

  it('of a folder that has none gets a file of its own; what stays the same is not touched', async () => {
    const bare = memoryFiles({ '/s/more/c.png': '', '/s/a.png': '', '/s/b.png': '' });
    const found = await findGallery(new SubjectDocument(text), '/s', bare);
    const changes = await captionChanges(
      text,
      found,
      new Map([
        ['/s/more/c.png', 'new'],
        ['/s/a.png', 'a zwx dog'],
      ]),
      bare,
    );
    expect(changes.changes).toEqual([]);
    expect([...changes.files]).toEqual([['/s/more/c.txt', 'new\n']]);
  });

  it('gets a text in front once, or another in place of one', () => {
    expect(rewritten('a dog', '', 'photo of ')).toBe('photo of a dog');
    expect(rewritten('photo of a dog', '', 'photo of ')).toBe('photo of a dog');
    expect(rewritten('a dog, a $& dog', 'a ', 'the $1 ')).toBe('the $1 dog, the $1 $& dog');
  });
});

describe('pictures of a subject', () => {
  it('are added unless an entry names them already', async () => {
    const paths = ['/s/e.png', '/s/more/f.png', '/t/g.png'];
    const after = changed(text, await addEntries(text, '/s', files, paths));
    expect((parse(after) as { pictures: unknown[] }).pictures.slice(2)).toEqual([
      'more',
      'e.png',
      '../t/g.png',
    ]);
  });

  it('are taken out one by one, also from an entry that names several', async () => {
    const without = async (path: string) =>
      (parse(changed(text, removeEntry(text, '/s', await gallery(), path))) as { pictures: unknown[] })
        .pictures;
    expect(await without('/s/b.png')).toEqual([{ file: 'a.png', caption: 'a zwx dog' }, 'more']);
    expect(await without('/s/more/c.png')).toEqual([
      { file: 'a.png', caption: 'a zwx dog' },
      'b.png',
      'more/d.png',
    ]);
  });

  it('that are dropped never take the place of others, and get plain names', async () => {
    expect(await freePath(files, '/s', 'new.png')).toBe('/s/new.png');
    expect(await freePath(files, '/s', 'a.png')).toBe('/s/a-2.png');
    expect(await freePath(files, '/s', 'a.png', new Set(['/s/a-2.png']))).toBe('/s/a-3.png');
    expect(await freePath(files, '/c:/s', '..\\x\\od*d[1].PNG')).toBe('/c:/s/od-d-1.png');
  });
});

describe('the form of a subject', () => {
  const groups = fieldGroups(
    new SubjectDocument('{ "class": "dog", "method": { "name": "lora" } }'),
    ['b'],
    inEnglish,
  );
  const field = (name: string) =>
    groups.flatMap(({ fields }) => fields).find(({ at }) => at.join('.') === name)!;

  it('shows every setting with its meaning, what counts without it, and its choices', () => {
    expect(field('class')).toMatchObject({ kind: 'text', text: 'dog' });
    expect(field('training.steps')).toMatchObject({ text: '', fallback: '1000' });
    expect(field('method.name')).toMatchObject({ kind: 'choice', text: 'lora', choices: ['para', 'lora'] });
    expect(field('training.flip')).toMatchObject({ kind: 'switch', fallback: 'false' });
    expect(field('samples.prompts')).toMatchObject({ kind: 'lines', fallback: 'a zwx dog' });
    expect(groups.flatMap(({ fields }) => fields).every(({ description }) => description !== '')).toBe(true);
  });

  it('is in the language of the editor: every label and meaning is given to the translators', () => {
    const known = new Set(schemaTexts());
    const asked = new Set<string>();
    const german = (text: string) => {
      asked.add(text);
      return `(${text})`;
    };
    const groups = fieldGroups(new SubjectDocument('{}'), [], german);
    for (const { label, description, fields } of groups)
      for (const text of [label, description, ...fields.flatMap((one) => [one.label, one.description])])
        expect(text).toMatch(/^\(.*\)$|^$/);
    const titles = groups.map(({ label }) => label.slice(1, -1));
    expect([...asked].filter((text) => text !== '' && !known.has(text) && !titles.includes(text))).toEqual(
      [],
    );
  });

  it('writes values of the right kind, and refuses those out of range', () => {
    const value = (at: string, written: string) => valueOfField(at.split('.'), written, inEnglish);
    expect(value('training.steps', '70')).toBe(70);
    expect(value('training.flip', 'true')).toBe(true);
    expect(value('samples.prompts', 'a\n\n b ')).toEqual(['a', 'b']);
    expect(value('checkpoints.keep', '50\n100')).toEqual([50, 100]);
    expect(value('method.scale', 'paper')).toBe('paper');
    expect(value('method.scale', '2,5')).toBe(2.5);
    expect(value('validation.share', 'auto')).toBe('auto');
    expect(value('class', '  ')).toBeUndefined();
    expect(() => value('training.steps', '0')).toThrow('At least 1');
    expect(() => value('training.steps', '1.5')).toThrow('whole');
    expect(() => value('training.steps', 'many')).toThrow('not a number');
    expect(() => value('training.nothing', '1')).toThrow('training.nothing');
  });
});

describe('a new subject', () => {
  it('is valid and says what its pictures are', () => {
    const common = { trigger: 'qvz', className: 'dog', base: 'pocket-sdxl' };
    const all = parseSubject(
      draftSubject({ ...common, pictures: 'all' }, inEnglish),
      '/s/dog.para.json',
    ).file;
    expect(all).toMatchObject({ pictures: ['.'], trigger: 'qvz', class: 'dog' });
    const some = draftSubject({ ...common, pictures: ['a "1".png', 'b.png'] }, inEnglish);
    expect(parseSubject(some, '/s/dog.para.json').file.pictures).toEqual(['a "1".png', 'b.png']);
  });

  it('is named after its folder, and its class is guessed from that', () => {
    expect(subjectName('My Dogs: new')).toBe('my-dogs-new');
    expect(subjectName('..')).toBe('subject');
    expect(guessClass('my-dogs-new')).toBe('dog');
    expect(guessClass('holiday')).toBe('');
  });

  it('gets a trigger that no other subject has', () => {
    expect(rareTrigger([], new Set())).toBe('zwx');
    expect(rareTrigger([], new Set(['zwx']))).not.toBe('zwx');
  });
});

describe('a prompt inside a subject file', () => {
  it('knows where each of its signs stands, past the escapes of JSON', () => {
    const source = '{ "samples": { "prompts": ["a \\"red\\" \\u0064og"] } }';
    const [prompt] = new SubjectDocument(source).samplePrompts;
    const spot = spotOfString(source, prompt!.node);
    expect(spot.prompt).toBe('a "red" dog');
    expect(source.slice(spot.at[8]!, spot.at[9]!)).toBe('\\u0064');
    expect(source.slice(spot.at.at(-1)!, spot.after)).toBe('"');
  });
});
