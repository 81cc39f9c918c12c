import { existsSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, extname, join, relative, resolve } from 'node:path';
import { globSync } from 'tinyglobby';
import { ParaError } from '../common/errors.ts';
import type { Subject } from '../subject/load.ts';
import type { SpecPicture } from '../subject/train-spec.ts';
import { hashOfFile } from './pictures.ts';

const extensions = '{png,jpg,jpeg,webp,PNG,JPG,JPEG,WEBP}';

/** Absolute paths of the pictures that one entry of a subject file names, sorted. */
function expand(entry: string, directory: string, where: string): string[] {
  const path = resolve(directory, entry);
  if (existsSync(path)) {
    if (!statSync(path).isDirectory()) return [path];
    return globSync(`*.${extensions}`, { cwd: path, absolute: true }).sort();
  }
  const found = globSync(entry, { cwd: directory, absolute: true }).sort();
  if (found.length === 0)
    throw new ParaError('picture', `No picture is found for "${entry}"`, {
      where,
      hint: 'paths, folders and globs are relative to the subject file',
    });
  return found;
}

/** The caption of a picture: `NAME.txt` beside it, else `metadata.jsonl` in its folder, else "a TRIGGER CLASS". */
export function captionOf(path: string, fallback: string): string {
  const beside = `${path.slice(0, -extname(path).length)}.txt`;
  if (existsSync(beside)) return readFileSync(beside, 'utf8').trim();
  const table = join(dirname(path), 'metadata.jsonl');
  if (existsSync(table)) {
    const lines = readFileSync(table, 'utf8')
      .split('\n')
      .filter((line) => line.trim() !== '');
    lines.forEach((line, i) => {
      try {
        JSON.parse(line);
      } catch (cause) {
        throw new ParaError('subject', 'A line of metadata.jsonl is not valid JSON', {
          where: `${table}:${i + 1}`,
          hint: 'each line is one object with file_name and text',
          cause,
        });
      }
    });
    for (const line of lines) {
      const row = JSON.parse(line) as { file_name?: string; text?: string; caption?: string };
      if (row.file_name === basename(path)) return (row.text ?? row.caption ?? fallback).trim();
    }
  }
  return fallback;
}

/**
 * Finds a subject's pictures and their captions.
 * @throws ParaError `picture` or `subject` for a missing picture, an empty list or a picture named twice with two captions
 */
export function findPictures(subject: Subject): {
  pictures: SpecPicture[];
  validationPictures: SpecPicture[];
} {
  const { file, directory, path } = subject;
  const fallback = `a ${file.trigger ?? 'zwx'} ${file.class}`;
  const seen = new Map<string, SpecPicture>();
  const add = (picture: string, caption: string) => {
    seen.set(picture, { file: picture, sha256: hashOfFile(picture), caption });
  };
  for (const entry of file.pictures) {
    if (typeof entry === 'string')
      for (const found of expand(entry, directory, path)) add(found, captionOf(found, fallback));
    else for (const found of expand(entry.file, directory, path)) add(found, entry.caption);
  }
  const held = (file.validation?.pictures ?? []).flatMap((entry) => expand(entry, directory, path));
  const validationPictures = held.map((p) => ({
    file: p,
    sha256: hashOfFile(p),
    caption: captionOf(p, fallback),
  }));
  for (const p of held) seen.delete(p);
  const pictures = [...seen.values()];
  if (pictures.length === 0)
    throw new ParaError('subject', 'No pictures are left to train on', {
      where: relative(process.cwd(), path) || path,
      hint: 'every picture is also listed under validation.pictures; take some out',
    });
  return { pictures, validationPictures };
}
