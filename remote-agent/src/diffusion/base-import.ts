import { existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { ParaError } from '../common/errors.ts';
import { diskError } from '../common/files.ts';
import { type Base, openBase } from './base.ts';
import { modelFiles, placeFile, wantedFiles } from './base-files.ts';
import { takeWeights } from './base-moving.ts';
import { baseFolders, baseNameOf, isCheckpoint, isDiffusersFolder, paraHome } from './base-places.ts';
import { writeCheckpointBase } from './checkpoint/import.ts';
import { diffusersFolder, type Source, singleFile, withNoise, withVae } from './checkpoint/source.ts';
import { openWeightFiles, writeWeightFiles } from './checkpoint/weight-files.ts';

/** A base found by name. */
export interface ListedBase {
  readonly name: string;
  readonly directory: string;
  /** Bytes of the model files; 0 where the base cannot be opened. */
  readonly bytes: number;
  readonly base: Base | undefined;
  /** Why it cannot be opened. */
  readonly problem: string | undefined;
}

/** All bases that have a name, with what their files say. */
export function listBases(): ListedBase[] {
  return baseFolders().map(({ name, directory }) => {
    try {
      const base = openBase(directory);
      const bytes = modelFiles(base).reduce((sum, file) => sum + statSync(file).size, 0);
      return { name, directory, bytes, base, problem: undefined };
    } catch (cause) {
      const problem = cause instanceof ParaError ? cause.message : String(cause);
      return { name, directory, bytes: 0, base: undefined, problem };
    }
  });
}

/** What is to be otherwise than a checkpoint has or says it. */
export interface CheckpointChoices {
  /** A safetensors file with another VAE. */
  readonly vae?: string;
  /** Name or path of a base whose text encoders and tokenizers are taken. */
  readonly textEncoders?: string;
  /** What the U-Net predicts, where the checkpoint does not tell. */
  readonly prediction?: 'epsilon' | 'v';
  /** The last timestep is without signal, where the checkpoint does not tell. */
  readonly zeroTerminalSnr?: boolean;
}

export interface BaseImport extends CheckpointChoices {
  /** Names what this is done for: the same again finds the base there and is no error. */
  readonly request?: string;
  /** The weights of a checkpoint become the base's own (linked, or copied) instead of staying where they are. */
  readonly ownWeights?: boolean;
}

/** What is at a path, where it is a checkpoint in one file or a folder of diffusers. */
function checkpointSource(
  path: string,
  { vae, textEncoders, ...noise }: CheckpointChoices,
): Source | undefined {
  const read = isCheckpoint(path) ? singleFile : isDiffusersFolder(path) ? diffusersFolder : undefined;
  if (read) {
    const source = withNoise(read(path), noise);
    return vae === undefined ? source : withVae(source, vae);
  }
  if ([vae, textEncoders, ...Object.values(noise)].every((choice) => choice === undefined)) return undefined;
  throw new ParaError('base', 'Only a checkpoint can get parts of others', {
    where: path,
    hint: 'leave out --vae, --text-encoders and --prediction for a folder exported for ONNX: its files say all that',
  });
}

/**
 * Takes a base into the user's own folder under `name` (default: that of its folder or file). The weights of a
 * checkpoint (in one file, or a folder of diffusers) stay where they are unless asked otherwise, see
 * `writeCheckpointBase`; other model files are placed by `placeFile`, because the runtime refuses links (as download caches
 * hold them). Either all of it is there afterwards, or nothing.
 * @throws ParaError `base` for a folder or file that is none, `exists` for a name that is taken, `disk`
 */
export function importBase(
  path: string,
  name = baseNameOf(path),
  { request, ownWeights = false, ...choices }: BaseImport = {},
): Base {
  const source = checkpointSource(path, choices);
  const base = source ? undefined : openBase(path);
  const encoders = encodersOf(choices);
  if (!/^[\p{L}\p{N}][\p{L}\p{N}._-]*$/u.test(name))
    throw new ParaError('base', `"${name}" is no possible name for a base`, {
      where: 'name',
      hint: 'use letters, digits, dots, hyphens and underscores',
    });
  const target = join(paraHome(), 'bases', name);
  if (existsSync(target)) {
    if (request !== undefined && importedBy(name) === request) return openBase(target);
    throw new ParaError('exists', `There is a base "${name}" already`, {
      where: target,
      hint: 'choose another name, or remove that folder first',
    });
  }
  removeLeftovers(dirname(target));
  const unfinished = join(paraHome(), 'bases', `.${name}.${process.pid}.part`);
  try {
    if (source) writeCheckpointBase(source, unfinished, encoders);
    else if (base)
      for (const file of wantedFiles(base)) placeFile(file, join(unfinished, relative(base.directory, file)));
    if (ownWeights) takeWeights(unfinished);
    settleWeights(unfinished);
    openBase(unfinished);
    if (request !== undefined) writeFileSync(join(unfinished, requestFile), request);
    renameSync(unfinished, target);
  } catch (cause) {
    rmSync(unfinished, { recursive: true, force: true });
    throw diskError(cause, target);
  }
  return openBase(target);
}

/** Remembers the times of weights that came with a base: a copy has others, which need not be wondered at again. */
function settleWeights(directory: string): void {
  const weights = openWeightFiles(directory);
  if (!weights) return;
  const files = weights.files.map((file) => ({ ...file, modified: statSync(file.path).mtimeMs }));
  writeWeightFiles(directory, { ...weights, files });
}

/**
 * The base at a path, or what a checkpoint there would become.
 * @param scratch a folder that is made for a checkpoint's graphs
 * @throws ParaError as `importBase`
 */
export function openOrDescribe(path: string, choices: CheckpointChoices, scratch: string): Base {
  const source = checkpointSource(path, choices);
  if (!source) return openBase(path);
  writeCheckpointBase(source, scratch, encodersOf(choices));
  return openBase(scratch);
}

const encodersOf = ({ textEncoders }: CheckpointChoices): Base | undefined =>
  textEncoders === undefined ? undefined : openBase(textEncoders);

/** Removes what imports and deletions that were killed left in a folder; those of living processes stay. */
export function removeLeftovers(folder: string): void {
  if (!existsSync(folder)) return;
  for (const name of readdirSync(folder)) {
    const pid = /^\..+\.(\d+)\.(part|deleted)$/.exec(name)?.[1];
    if (pid !== undefined && !isRunning(Number(pid)))
      rmSync(join(folder, name), { recursive: true, force: true });
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (cause) {
    return (cause as NodeJS.ErrnoException).code === 'EPERM';
  }
}

const requestFile = '.request';

/** The request that a base of the user's own folder was imported for, where one named itself. */
export function importedBy(name: string): string | undefined {
  try {
    return readFileSync(join(paraHome(), 'bases', name, requestFile), 'utf8');
  } catch {
    // No such base, or one that was taken in without a name for it.
    return undefined;
  }
}
