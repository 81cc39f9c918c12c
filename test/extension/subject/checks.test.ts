import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { inEnglish } from '../../../remote-agent/src/common/translate.ts';
import type { Problem } from '../../../src/platform/problem.ts';
import { type BaseFacts, readBaseFacts } from '../../../src/prompt/base-facts.ts';
import { changed } from '../../../src/subject/changes.ts';
import { subjectProblems } from '../../../src/subject/checks/index.ts';
import { SubjectDocument } from '../../../src/subject/document.ts';
import { findGallery } from '../../../src/subject/gallery.ts';
import { PictureShelf } from '../../../src/subject/picture-shelf.ts';
import { memoryFiles } from './memory-files.ts';

const root = join(import.meta.dirname, '../../..');
const dog = readFileSync(join(root, 'examples/dog/dog-1.png'));
const four = { '/s/1.png': dog, '/s/2.png': dog, '/s/3.png': dog, '/s/4.png': dog };
let facts: BaseFacts;
beforeAll(async () => {
  facts = await readBaseFacts('pocket-sdxl', join(root, 'remote-agent/bases/pocket-sdxl'));
});

async function problemsOf(
  text: string,
  contents: Readonly<Record<string, Uint8Array | string>> = four,
): Promise<Problem[]> {
  const document = new SubjectDocument(text);
  const files = memoryFiles(contents);
  const gallery = await findGallery(document, '/s', files);
  const bases = [{ name: 'pocket-sdxl' }];
  const shelf = new PictureShelf();
  return subjectProblems({ document, folder: '/s', files, gallery, shelf, bases, facts, t: inEnglish });
}
const found = async (text: string, contents?: Readonly<Record<string, Uint8Array | string>>) =>
  (await problemsOf(text, contents)).map(({ code, start, end }) => [code, text.slice(start, end)]);
const whole = (more: string) => `{ "pictures": ["*.png"], "class": "dog", ${more} }`;

describe('a subject file', () => {
  it('of the samples has no problem', async () => {
    for (const name of ['dog', 'owl', 'robot', 'teapot']) {
      const { readdirSync } = await import('node:fs');
      const folder = join(root, 'examples', name);
      const names = (readdirSync(folder, { recursive: true }) as string[]).filter((one) =>
        /\.\w+$/.test(one),
      );
      const contents = Object.fromEntries(names.map((one) => [`/s/${one}`, readFileSync(join(folder, one))]));
      expect(await found(readFileSync(join(folder, `${name}.para.json`), 'utf8'), contents)).toEqual([]);
    }
  });

  it('names pictures that are there, whole and large enough', async () => {
    const text = '{ "pictures": ["1.png", "2.pngg", "cut.png", "no.png"], "class": "dog" }';
    const contents = { ...four, '/s/cut.png': dog.subarray(0, 5000), '/s/no.png': 'text' };
    const problems = await problemsOf(text, contents);
    expect(problems.map(({ code, start, end }) => [code, text.slice(start, end)])).toEqual([
      ['missing-picture', '2.pngg'],
      ['broken-picture', 'cut.png'],
      ['broken-picture', 'no.png'],
    ]);
    expect(changed(text, problems[0]!.fixes![0]!.changes!)).toContain('"2.png"');
    expect(changed(text, problems[0]!.fixes!.at(-1)!.changes!)).not.toContain('2.png');
    expect(await found(whole('"training": { "resolution": 2048 }'))).toContainEqual([
      'small-picture',
      '*.png',
    ]);
    expect(await found(whole('"training": { "resolution": 512 }'))).toContainEqual([
      'enlarged-picture',
      '*.png',
    ]);
  });

  it('names the others of a folder where one of them is broken', async () => {
    const text = '{ "pictures": ["."], "class": "dog" }';
    const [problem] = await problemsOf(text, { ...four, '/s/no.png': 'text' });
    expect(problem).toMatchObject({ code: 'broken-picture', severity: 'error' });
    const mended = changed(text, problem!.fixes![0]!.changes!);
    expect(new SubjectDocument(mended).pictures.map((entry) => entry.text)).toEqual(
      ['1', '2', '3', '4'].map((name) => `${name}.png`),
    );
  });

  it('has no other problem while it is no JSON: keys would be taken for pictures', async () => {
    expect(await found('{ "pictures": ["*.png", "trigger": "dog" "class": "dog"')).toEqual([]);
  });

  it('has enough pictures left to train on', async () => {
    expect(await found('{ "pictures": ["1.png"], "class": "dog" }')).toEqual([['few-pictures', '[']]);
    const all = await problemsOf(whole('"validation": { "pictures": ["*.png"] }'));
    expect(all).toMatchObject([{ code: 'few-pictures', severity: 'error' }]);
  });

  it('has a trigger that the base does not know and that fits its text encoder', async () => {
    expect(await found(whole('"trigger": "qvz"'))).toEqual([]);
    expect(await found(whole('"trigger": "teapot"'))).toEqual([['common-trigger', 'teapot']]);
    expect(await found(whole('"trigger": "dog"'))).toEqual([['common-trigger', 'dog']]);
    const [long] = await problemsOf(whole(`"trigger": "${'xq'.repeat(60)}"`));
    expect(long).toMatchObject({ code: 'long-trigger', message: expect.stringContaining('takes 22') });
  });

  it('gets another trigger everywhere at once', async () => {
    const text =
      '{ "pictures": [{ "file": "1.png", "caption": "a Person" }, "2.png", "3.png", "4.png"], "class": "man", "trigger": "person", "samples": { "prompts": ["a person (personal)"] } }';
    const [problem] = await problemsOf(text, { ...four, '/s/2.txt': 'the person\n' });
    const [fix] = problem!.fixes!;
    expect(problem!.code).toBe('common-trigger');
    expect(JSON.parse(changed(text, fix!.changes!))).toMatchObject({
      pictures: [{ caption: 'a zwx' }, '2.png', '3.png', '4.png'],
      trigger: 'zwx',
      samples: { prompts: ['a zwx (personal)'] },
    });
    expect(fix!.files).toEqual([{ path: '/s/2.txt', content: 'the zwx\n' }]);
  });

  it('keeps its class in captions when that was the trigger', async () => {
    const text = '{ "pictures": ["*.png"], "class": "dog", "trigger": "Dog" }';
    const [problem] = await problemsOf(text, {
      ...four,
      '/s/2.txt': 'a dog on grass',
      '/s/3.txt': 'a zwx dog',
    });
    expect(problem!.fixes![0]!.files).toEqual([
      { path: '/s/2.txt', content: 'a zwx dog on grass' },
      { path: '/s/3.txt', content: 'a zwx dog' },
    ]);
  });

  it('names the trigger in every caption, in the file or beside', async () => {
    const text = '{ "pictures": [{ "file": "1.png", "caption": "my dog" }, "[2-4].png"], "class": "dog" }';
    const problems = await problemsOf(text, { ...four, '/s/3.txt': 'on a sofa' });
    expect(problems.map(({ code }) => code)).toEqual(['caption-without-trigger', 'caption-without-trigger']);
    expect(changed(text, problems[0]!.fixes![0]!.changes!)).toContain('"my zwx dog"');
    expect(problems[1]!.fixes![0]!.files).toEqual([{ path: '/s/3.txt', content: 'a zwx dog, on a sofa\n' }]);
  });

  it('names a base, a scheduler, layers and a rank that there are', async () => {
    expect(await found(whole('"base": "pocket-sdxxl"'))).toEqual([['unknown-base', 'pocket-sdxxl']]);
    expect(await found(whole('"base": "/models/mine"'))).toEqual([]);
    expect(await found(whole('"samples": { "scheduler": "dim" }'))).toEqual([['scheduler', 'dim']]);
    expect(await found(whole('"method": { "layers": "atention" }'))).toEqual([['layers', 'atention']]);
    expect(await found(whole('"method": { "layers": "**.attn1.to_q" }'))).toEqual([]);
    expect(await found(whole('"method": { "name": "lora", "rank": 97 }'))).toEqual([['rank', '97']]);
    expect(await found(whole('"method": { "name": "lora", "rank": 96 }'))).toEqual([]);
    expect(await found(whole('"method": { "rank": 3 }'))).toEqual([['rank', '3']]);
  });

  it('has its contradictions at their places', async () => {
    expect(await found(whole('"method": { "rank": 2, "gamma": 0.1 }'))).toEqual([['settings', '0.1']]);
  });

  it('offers what a misspelt key or choice may mean, which the JSON service marks', async () => {
    const text = whole('"triger": "x", "method": { "name": "lorra" }');
    const problems = await problemsOf(text);
    expect(problems.map(({ shownElsewhere }) => shownElsewhere)).toEqual([true, true]);
    expect(changed(text, problems[0]!.fixes![0]!.changes!)).toContain('"trigger": "x"');
    expect(changed(text, problems[1]!.fixes![0]!.changes!)).toContain('"name": "lora"');
  });

  it('is judged while it is being written, too', async () => {
    for (const text of [
      '',
      '{',
      '{ "pictures": [',
      '{ "pictures": [{}, 4, "a.png"] }',
      '[]',
      '{"trigger": 5}',
    ])
      expect(await found(text)).toBeInstanceOf(Array);
  });
});
