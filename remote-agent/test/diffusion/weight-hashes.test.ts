import { createHash } from 'node:crypto';
import {
  closeSync,
  cpSync,
  openSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { openBase } from '../../src/diffusion/base.ts';
import { checkBase } from '../../src/diffusion/base-check.ts';
import { importBase } from '../../src/diffusion/base-import.ts';
import { ownHome } from './checkpoint-outputs.ts';
import { checkpointGolden, writeCheckpoint } from './random-checkpoint.ts';

const home = ownHome();
const path = join(home, 'model.safetensors');
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

/** Writes into the file behind everybody's back: size and time stay. */
function tamper(at: number, bytes: Uint8Array): void {
  const { atimeMs, mtimeMs } = statSync(path);
  const fd = openSync(path, 'r+');
  writeSync(fd, bytes, 0, bytes.length, at);
  closeSync(fd);
  utimesSync(path, atimeMs / 1000, mtimeMs / 1000);
}

let count = 0;
let name = '';
beforeEach(() => {
  name = `base-${count++}`;
  writeCheckpoint(path, checkpointGolden('sd').tensors, 'F16', { 'modelspec.title': 'first' });
  utimesSync(path, 1_700_000_000, 1_700_000_000);
  importBase(path, name);
});

describe('of a checkpoint that stays where it is', () => {
  it('the header is looked at whenever the base is opened, even where size and time are the same', () => {
    const at = readFileSync(path).indexOf('first');
    tamper(at, Buffer.from('other'));
    expect(() => openBase(name)).toThrow('changed after it was imported');
  });

  it('every byte is read on demand, and hashed as A1111 and model sites do', async () => {
    const bytes = readFileSync(path);
    const { weights, problems, parts } = await checkBase(name, { full: true });
    expect(problems).toEqual([]);
    expect(weights).toEqual([
      {
        ...{ file: 'model.safetensors', bytes: bytes.length, sha256: sha256(bytes) },
        autoV1: sha256(bytes.subarray(0x100000, 0x110000)).slice(0, 8),
      },
    ]);
    // The parts share the file: each counts what is its own.
    const own = parts.reduce((sum, part) => sum + 2 * part.parameters, 0);
    const graphs = parts.reduce((sum, part) => sum + statSync(part.path).size, 0);
    expect(parts.reduce((sum, part) => sum + part.bytes, 0)).toBeCloseTo(own + graphs, -4);
    // Between the blocks that a fingerprint reads.
    tamper(8_000_000, Buffer.from([bytes[8_000_000]! ^ 1]));
    expect(openBase(name).name).toBe(name);
    const after = await checkBase(name, { full: true });
    expect(after.problems).toMatchObject([{ part: 'weights', what: expect.stringContaining('was changed') }]);
  });

  it('it is taken by bases alone that were imported here, not by one that came from elsewhere', () => {
    const foreign = join(home, 'downloaded');
    cpSync(openBase(name).directory, foreign, { recursive: true });
    expect(() => openBase(foreign)).toThrow('from outside its folder');
    expect(() => importBase(foreign, 'foreign')).toThrow('from outside its folder');
    const file = join(foreign, 'weights.json');
    const said = JSON.parse(readFileSync(file, 'utf8')) as { files: { path: string }[] };
    const above = said.files.map((one) => ({ ...one, path: `../${basename(path)}` }));
    for (const files of [above, []]) {
      writeFileSync(file, JSON.stringify({ ...said, files }));
      expect(() => openBase(foreign)).toThrow('from outside its folder');
    }
  });

  it('nothing is read in full where nobody asks', async () => {
    expect((await checkBase(name)).weights).toBeUndefined();
    expect(readFileSync(join(openBase(name).directory, 'weights.json'), 'utf8')).not.toContain('sha256');
  });
});
