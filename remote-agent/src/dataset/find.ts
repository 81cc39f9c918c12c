import { existsSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, extname, join, relative, resolve } from 'node:path';
import { globSync } from 'tinyglobby';
import { ParaError } from '../common/errors.ts';
import { Random } from '../common/random.ts';
import type { Subject } from '../subject/load.ts';
import type { SpecPicture } from '../subject/train-spec.ts';
import { hashOfFile } from './picture-hash.ts';
import { PictureProblems } from './problems.ts';

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

/** From this many pictures on, `validation.share: "auto"` holds one of ten out. */
const autoFrom = 10;

/**
 * Which of a subject's pictures are held out of training, by content hash. The choice follows from the seed and the
 * pictures' contents, not from their names or places; pictures of equal content stay together. At least one is held
 * out where a share was asked for, and at least one is left.
 */
export function heldOut(hashes: readonly string[], share: number | 'auto', seed: number): Set<string> {
  const contents = [...new Set(hashes)].sort();
  const { length } = contents;
  const wanted =
    share === 'auto'
      ? length < autoFrom
        ? 0
        : Math.floor(length / 10)
      : share === 0
        ? 0
        : Math.max(1, Math.round(length * share));
  const count = Math.min(wanted, length - 1);
  return new Set(new Random(seed, 'validation share').shuffled(contents).slice(0, count));
}

/**
 * Finds a subject's pictures and their captions, and parts those that are held out for validation from the others.
 * @throws ParaError `picture` naming all pictures that are missing or cannot be read, `subject` when none is left to
 *   train on or a caption file is broken
 */
export function findPictures(subject: Subject): {
  pictures: SpecPicture[];
  validationPictures: SpecPicture[];
} {
  const { file, directory, path } = subject;
  const fallback = `a ${file.trigger ?? 'zwx'} ${file.class}`;
  const problems = new PictureProblems();
  const trying = <T>(make: () => T, otherwise: T): T => {
    try {
      return make();
    } catch (cause) {
      problems.add(cause);
      return otherwise;
    }
  };
  const found = (entry: string) => trying(() => expand(entry, directory, path), []);
  const hashed = (p: string, caption: string) =>
    trying<SpecPicture[]>(() => [{ file: p, sha256: hashOfFile(p), caption }], []);
  const seen = new Map<string, SpecPicture>();
  for (const entry of file.pictures)
    for (const p of found(typeof entry === 'string' ? entry : entry.file))
      for (const one of hashed(p, typeof entry === 'string' ? captionOf(p, fallback) : entry.caption))
        seen.set(p, one);
  const named = file.validation?.pictures ?? [];
  const validation = new Map<string, SpecPicture>();
  for (const p of named.flatMap(found))
    for (const one of seen.has(p) ? [seen.get(p)!] : hashed(p, captionOf(p, fallback)))
      validation.set(p, one);
  problems.throwIfAny();
  for (const p of validation.keys()) seen.delete(p);
  const all = [...seen.values()];
  if (all.length === 0)
    throw new ParaError('subject', 'No pictures are left to train on', {
      where: relative(process.cwd(), path) || path,
      hint: 'every picture is also listed under validation.pictures; take some out',
    });
  if (named.length > 0) return { pictures: all, validationPictures: [...validation.values()] };
  const { share = 'auto', every } = file.validation ?? {};
  // Without a measurement there is nothing to hold pictures out for.
  const hashes = share === 'auto' && every === 0 ? [] : all.map((p) => p.sha256);
  const held = hashes.length === 0 ? new Set() : heldOut(hashes, share, file.training?.seed ?? 0);
  return {
    pictures: all.filter((p) => !held.has(p.sha256)),
    validationPictures: all.filter((p) => held.has(p.sha256)),
  };
}
