import { describe, expect, it } from 'vitest';
import { expandEntry } from '../../../src/subject/expand.ts';
import { entryFor, entryPath, folderOf } from '../../../src/subject/paths.ts';
import { memoryFiles } from './memory-files.ts';

const windows = '/c:/Users/Ann/My Pictures';

describe('an entry of a subject file', () => {
  it.each([
    ['/home/ann/dog', 'a.png', '/home/ann/dog/a.png'],
    ['/home/ann/dog', './more/../a.png', '/home/ann/dog/a.png'],
    ['/home/ann/dog', '../cat/a.png', '/home/ann/cat/a.png'],
    ['/home/ann/dog', '/data/a.png', '/data/a.png'],
    ['/home/ann/dog', 'odd\\name.png', '/home/ann/dog/odd\\name.png'],
    [windows, 'more\\a.png', `${windows}/more/a.png`],
    [windows, '..\\a.png', '/c:/Users/Ann/a.png'],
    [windows, 'D:\\data\\a.png', '/D:/data/a.png'],
    [windows, 'D:/data/a.png', '/D:/data/a.png'],
  ])('in %s, written %s, means %s', (folder, entry, path) => {
    expect(entryPath(folder, entry)).toBe(path);
  });

  it('is written relative to the file, whatever the case of a drive', () => {
    expect(entryFor('/home/ann/dog', '/home/ann/dog/more/a.png')).toBe('more/a.png');
    expect(entryFor('/home/ann/dog', '/home/ann/cat/a.png')).toBe('../cat/a.png');
    expect(entryFor(windows, '/C:/Users/Ann/My Pictures/a.png')).toBe('a.png');
    expect(entryFor(windows, '/d:/a.png')).toBeUndefined();
  });
});

describe('what an entry names', () => {
  const files = (folder: string) =>
    memoryFiles(
      Object.fromEntries(
        ['b.PNG', 'a.png', 'a.txt', 'more/c.jpg', 'more/deep/d.webp', 'x (1).png', '.hidden/e.png'].map(
          (name) => [`${folder}/${name}`, ''],
        ),
      ),
    );

  it.each(['/home/ann/dog', windows])('is found in %s: files, folders and globs', async (folder) => {
    const found = async (entry: string) =>
      (await expandEntry(files(folder), folder, entry)).map((path) => path.slice(folder.length + 1));
    expect(await found('a.png')).toEqual(['a.png']);
    expect(await found('x (1).png')).toEqual(['x (1).png']);
    expect(await found('.')).toEqual(['a.png', 'b.PNG', 'x (1).png']);
    expect(await found('more')).toEqual(['more/c.jpg']);
    expect(await found('*.png')).toEqual(['a.png', 'x (1).png']);
    expect(await found('**/*.{jpg,webp}')).toEqual(['more/c.jpg', 'more/deep/d.webp']);
    expect(await found('more/*.jpg')).toEqual(['more/c.jpg']);
    expect(await found('missing.png')).toEqual([]);
    if (folder === windows) expect(await found('more\\*.jpg')).toEqual(['more/c.jpg']);
  });

  it('may lie beside the folder of the file', async () => {
    const around = memoryFiles({ '/pictures/a.png': '', '/subject/s.para.json': '' });
    expect(await expandEntry(around, '/subject', '../pictures/*.png')).toEqual(['/pictures/a.png']);
    expect(folderOf('/a.png')).toBe('/');
  });
});
