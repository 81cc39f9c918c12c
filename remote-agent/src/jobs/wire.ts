import { join, relative } from 'node:path';
import type { WireEvent } from '../protocol/events.ts';
import type { WireSpec } from '../protocol/spec.ts';
import { protocolVersion } from '../protocol/version.ts';
import type { SpecPicture, TrainSpec } from '../subject/train-spec.ts';
import { blobPath } from './blob-store.ts';
import type { LoggedEvent } from './event-log.ts';

/**
 * A spec as it travels: pictures by hash, no path in it.
 * @param protocol of the other end: before 3 there was no `auto`, and `fast` gives the same results
 */
export function toWireSpec(spec: TrainSpec, protocol = protocolVersion): WireSpec {
  const hashed = (pictures: readonly SpecPicture[]) =>
    pictures.map(({ sha256, caption }) => ({ sha256, caption }));
  const { method, training } = spec;
  const memory = protocol < 3 && training.memory === 'auto' ? 'fast' : training.memory;
  return {
    ...spec,
    pictures: hashed(spec.pictures),
    validationPictures: hashed(spec.validationPictures),
    method: { ...method, layers: typeof method.layers === 'string' ? method.layers : [...method.layers] },
    training: { ...training, memory },
    samples: { ...spec.samples, prompts: [...spec.samples.prompts] },
    checkpoints: { ...spec.checkpoints, keep: [...spec.checkpoints.keep] },
  };
}

/** A spec that came from a host; its pictures are where blobs lie here, whether they have been fetched or not. */
export function fromWireSpec(spec: WireSpec): TrainSpec {
  const placed = (pictures: WireSpec['pictures']) =>
    pictures.map(({ sha256, caption }) => ({ file: blobPath(sha256), sha256, caption }));
  return {
    ...spec,
    pictures: placed(spec.pictures),
    validationPictures: placed(spec.validationPictures),
  } as TrainSpec;
}

/** An event with its file, where it has one, under another name. */
const withFile = (event: object, name: (file: string) => string): object =>
  'file' in event && typeof event.file === 'string' ? { ...event, file: name(event.file) } : event;

/** An event as it travels: files relative to the job. */
export const toWire = (event: LoggedEvent, directory: string): WireEvent =>
  withFile(event, (file) => relative(directory, file)) as WireEvent;

/** An event that came, with its file in `directory`. */
export const fromWire = (event: WireEvent, directory: string): LoggedEvent =>
  withFile(event, (file) => join(directory, file)) as LoggedEvent;
