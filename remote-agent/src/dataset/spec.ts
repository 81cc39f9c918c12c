import type { Subject } from '../subject/load.ts';
import { defaultBase } from '../subject/name.ts';
import { makeTrainSpec, type SpecOverrides, type TrainSpec } from '../subject/train-spec.ts';
import { findPictures } from './find.ts';

/** A base as a spec names it. */
export type BaseRef = TrainSpec['base'];

/**
 * Resolves a subject into a spec: pictures found and hashed, base named with its hash, defaults filled.
 * @param baseOf the base of a name, where the run is to be: here or on a host
 * @throws ParaError `picture`, `base`, `settings`
 */
export function resolveSpec(
  subject: Subject,
  overrides: SpecOverrides,
  baseOf: (name: string) => BaseRef,
  createdAt = new Date().toISOString(),
): TrainSpec {
  const base = baseOf(subject.file.base ?? defaultBase);
  return makeTrainSpec(subject, { base, ...findPictures(subject), createdAt }, overrides);
}
