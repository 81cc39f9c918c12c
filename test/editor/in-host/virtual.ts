import { deepStrictEqual } from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { EventEmitter, FileSystemError, type FileSystemProvider, FileType, Uri, workspace } from 'vscode';
import { localSubject } from '../../../src/subject/local-copy.ts';
import type { Tests } from './index.ts';

/** A file system that is on no disk, as those of virtual workspaces. */
class VirtualFiles implements FileSystemProvider {
  readonly onDidChangeFile = new EventEmitter<never>().event;
  constructor(readonly files: Readonly<Record<string, string>>) {}

  watch = () => ({ dispose: () => {} });
  stat({ path }: Uri) {
    const content = this.files[path];
    const isFolder = Object.keys(this.files).some((one) => one.startsWith(path === '/' ? '/' : `${path}/`));
    if (content === undefined && !isFolder) throw FileSystemError.FileNotFound(path);
    const type = content === undefined ? FileType.Directory : FileType.File;
    return { type, ctime: 0, mtime: 0, size: content?.length ?? 0 };
  }
  readDirectory({ path }: Uri): [string, FileType][] {
    const below = Object.keys(this.files).filter((one) => one.startsWith(`${path}/`));
    const names = new Set(below.map((one) => one.slice(path.length + 1).split('/')[0]!));
    return [...names].map((name) => [
      name,
      this.files[`${path}/${name}`] === undefined ? FileType.Directory : FileType.File,
    ]);
  }
  readFile({ path }: Uri): Uint8Array {
    const content = this.files[path];
    if (content === undefined) throw FileSystemError.FileNotFound(path);
    return new TextEncoder().encode(content);
  }
  writeFile = this.#refuse;
  createDirectory = this.#refuse;
  delete = this.#refuse;
  rename = this.#refuse;

  #refuse(uri: Uri): never {
    throw FileSystemError.NoPermissions(uri);
  }
}

export const tests: Tests = {
  'a subject of a virtual workspace is copied with the pictures that its globs and folders name':
    async () => {
      const subject = '{ "class": "dog", "pictures": ["*.png", "more", "deep/**/*.jpg", "one.webp"] }';
      const paths = [
        'a.png',
        'a.txt',
        'b.gif',
        'more/c.png',
        'more/c.txt',
        'deep/x/d.jpg',
        'one.webp',
        'two.webp',
      ];
      const registration = workspace.registerFileSystemProvider(
        'para-virtual',
        new VirtualFiles({
          '/work/dog.para.json': subject,
          ...Object.fromEntries(paths.map((path) => [`/work/${path}`, path])),
        }),
        { isReadonly: true },
      );
      const storage = mkdtempSync(join(tmpdir(), 'para-virtual-'));
      try {
        const copy = await localSubject(Uri.parse('para-virtual:/work/dog.para.json'), Uri.file(storage));
        const copied = readdirSync(dirname(copy), { recursive: true, withFileTypes: true })
          .filter((entry) => entry.isFile())
          .map(({ name }) => name)
          .sort();
        deepStrictEqual(copied, ['a.png', 'a.txt', 'c.png', 'c.txt', 'd.jpg', 'dog.para.json', 'one.webp']);
      } finally {
        registration.dispose();
        rmSync(storage, { recursive: true });
      }
    },
};
