import { statSync } from 'node:fs';
import { join } from 'node:path';
import { registeredBase } from './places.ts';
import { runTask } from './run-task.ts';

const known = new Map<string, Promise<string>>();

/**
 * Content hash of a registered base. It is computed elsewhere, since that may read gigabytes, and remembered for as
 * long as the model file stays the same.
 * @throws ParaError `base`, `model-file`
 */
export function baseHash(name: string, bundle: string): Promise<string> {
  const directory = registeredBase(name);
  const model = statSync(join(directory, 'unet', 'model.onnx'), { throwIfNoEntry: false });
  const key = [directory, model?.size, model?.mtimeMs, model?.ino].join(' ');
  const found = known.get(key);
  if (found) return found;
  const hash = runTask(bundle, { task: 'hash', name });
  known.set(key, hash);
  hash.catch(() => known.delete(key));
  return hash;
}
