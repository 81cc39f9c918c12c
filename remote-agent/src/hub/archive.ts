import { createWriteStream, mkdirSync, type WriteStream } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { finished, pipeline } from 'node:stream/promises';
import type { Entry, ZipFile } from 'yauzl';
import { ParaError } from '../common/errors.ts';
import { diskError } from '../common/files.ts';
import { baseInArchive } from './base-files.ts';

type Walk = (want: (path: string) => string | undefined, onPath: (path: string) => void) => Promise<void>;

/**
 * Unpacks the files of a base from an archive into a folder. Names in the archive decide nothing about where files go:
 * only the known files of a base are written, to their own places.
 * @param name of the archive, which tells its kind
 * @returns what a base is made of: the folder, or the one file in it
 * @throws ParaError `base` where it holds none, `download` for a damaged archive, `disk`
 */
export async function unpackBase(archive: string, name: string, folder: string): Promise<string> {
  const walk = /\.zip$/i.test(name) ? zipWalk(archive) : tarWalk(archive);
  const paths: string[] = [];
  try {
    await walk(
      () => undefined,
      (path) => paths.push(path),
    );
    const { kind, places: found } = baseInArchive(paths, name);
    const places = new Map([...found].map(([to, from]) => [from, join(folder, to)]));
    await walk(
      (path) => places.get(path),
      () => {},
    );
    return kind === 'checkpoint' ? [...places.values()][0]! : folder;
  } catch (cause) {
    const known = diskError(cause, folder);
    if (known instanceof ParaError) throw known;
    throw new ParaError('download', 'The archive is damaged or of an unknown kind', {
      where: name,
      hint: 'give a .zip, .tar or .tar.gz',
      cause,
    });
  }
}

const plain = (path: string) => path.replace(/^(\.\/)+/, '');

function writer(path: string): WriteStream {
  mkdirSync(dirname(path), { recursive: true });
  return createWriteStream(path, { mode: 0o600 });
}

function tarWalk(archive: string): Walk {
  return async (want, onPath) => {
    const { list } = await import('tar');
    const writing: Promise<void>[] = [];
    await list({
      file: archive,
      strict: true,
      onReadEntry: (entry) => {
        const path = plain(entry.path);
        const target = entry.type === 'File' || entry.type === 'OldFile' ? want(path) : undefined;
        if (entry.type === 'File' || entry.type === 'OldFile') onPath(path);
        if (target === undefined) return entry.resume();
        const out = writer(target);
        writing.push(finished(out));
        entry.pipe(out as never);
      },
    });
    await Promise.all(writing);
  };
}

function zipWalk(archive: string): Walk {
  return async (want, onPath) => {
    const { open } = await import('yauzl');
    const zip = await new Promise<ZipFile>((resolve, reject) => {
      open(archive, { lazyEntries: true }, (failure, opened) =>
        failure ? reject(failure) : resolve(opened),
      );
    });
    const read = (entry: Entry) =>
      new Promise<Readable>((resolve, reject) => {
        zip.openReadStream(entry, (failure, stream) => (failure ? reject(failure) : resolve(stream)));
      });
    const visit = async (entry: Entry) => {
      const path = plain(entry.fileName);
      if (path.endsWith('/')) return;
      onPath(path);
      const target = want(path);
      if (target !== undefined) await pipeline(await read(entry), writer(target));
    };
    await new Promise<void>((resolve, reject) => {
      zip.on('entry', (entry: Entry) => {
        visit(entry).then(() => zip.readEntry(), reject);
      });
      zip.on('end', resolve);
      zip.on('error', reject);
      zip.readEntry();
    });
  };
}
