import { existsSync, rmSync, statSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { ParaError } from '../../common/errors.ts';
import { type Base, openBase } from '../../diffusion/base.ts';
import { placeFile } from '../../diffusion/base-files.ts';
import { importBase, importedBy, removeLeftovers } from '../../diffusion/base-import.ts';
import { baseNameOf, isCheckpoint, looksLikeBase, paraHome } from '../../diffusion/base-places.ts';
import { importRemote } from '../../hub/import.ts';
import { nameOf } from '../../hub/source.ts';
import { blobPath, missingBlobs } from '../../jobs/blob-store.ts';
import type { BaseSource } from '../../protocol/contract/bases.ts';
import { isBaseName } from '../../protocol/names.ts';
import type { BaseTask, TaskProgress } from './tasks.ts';

/** Registers a base from wherever it is. @throws ParaError */
export async function importFrom(
  { id, name, source }: BaseTask & { task: 'import' },
  tell: (progress: TaskProgress) => void,
): Promise<Base> {
  const wanted = name ?? nameFor(source);
  if (!isBaseName(wanted))
    throw new ParaError('base', `"${wanted}" is no possible name for a base on a host`, {
      hint: 'give one with --name: letters, digits, dots, hyphens, underscores',
    });
  // Sent twice, since the answer to the first was lost: done already.
  if (importedBy(wanted) === id) return openBase(join(paraHome(), 'bases', wanted));
  if (source.kind === 'path') return fromPath(source, wanted, id, tell);
  if (source.kind === 'upload') return fromBlobs(source.files, wanted, id, tell);
  return importRemote(source, { name: wanted, request: id, onProgress: tell });
}

function nameFor(source: BaseSource): string {
  if (source.kind === 'path') return baseNameOf(source.path);
  if (source.kind !== 'upload') return nameOf(source);
  throw new ParaError('base', 'An upload needs a name', { hint: 'give one with --name' });
}

function fromPath(
  { kind: _, path, ...choices }: BaseSource & { kind: 'path' },
  name: string,
  id: string,
  tell: (progress: TaskProgress) => void,
): Base {
  if (!isAbsolute(path) || !(looksLikeBase(path) || isCheckpoint(path)))
    throw new ParaError('base', 'There is no base at this place on the host', {
      where: path,
      hint: 'give the whole path of a .safetensors file, or of a folder that holds unet, text_encoder and so on',
    });
  tell({ phase: 'placing', doneBytes: 0 });
  return importBase(path, name, { request: id, ...choices });
}

/** Assembles a base of blobs, which then live on as its files. */
function fromBlobs(
  files: (BaseSource & { kind: 'upload' })['files'],
  name: string,
  id: string,
  tell: (progress: TaskProgress) => void,
): Base {
  const [missing] = missingBlobs(files.map(({ sha256 }) => sha256));
  if (missing !== undefined)
    throw new ParaError('blob', 'A file of this base was not sent', {
      where: `${files.find(({ sha256 }) => sha256 === missing)!.path} (${missing})`,
      hint: 'send it first',
    });
  const downloads = join(paraHome(), 'downloads');
  removeLeftovers(downloads);
  const folder = join(downloads, `.upload.${process.pid}.part`);
  try {
    let doneBytes = 0;
    for (const { path, sha256 } of files) {
      const target = join(folder, path);
      placeFile(blobPath(sha256), target);
      doneBytes += statSync(target).size;
      tell({ phase: 'placing', file: path, doneBytes });
    }
    const base = importBase(folder, name, { request: id });
    for (const { sha256 } of files) rmSync(blobPath(sha256), { force: true });
    return base;
  } finally {
    if (existsSync(folder)) rmSync(folder, { recursive: true, force: true });
  }
}
