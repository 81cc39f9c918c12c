import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { ParaError } from '../../src/common/errors.ts';
import { writeFileAtomic } from '../../src/common/files.ts';

const folder = mkdtempSync(join(tmpdir(), 'para-files-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('writing a file in one step', () => {
  it('replaces what was there and leaves nothing beside it', () => {
    const path = join(folder, 'one', 'state.json');
    writeFileAtomic(path, 'old');
    writeFileAtomic(path, 'new');
    expect(readFileSync(path, 'utf8')).toBe('new');
    expect(readdirSync(join(folder, 'one'))).toEqual(['state.json']);
  });

  it('says so where the folder is a file, which stays as it was', () => {
    const file = join(folder, 'file');
    writeFileSync(file, 'kept');
    expect(() => writeFileAtomic(join(file, 'state.json'), 'x')).toThrow(ParaError);
    expect(readFileSync(file, 'utf8')).toBe('kept');
  });

  it('leaves no half-written file where the last step fails', () => {
    // A folder that is not empty cannot be replaced by a file: everything before the rename has happened.
    const target = join(folder, 'two', 'taken');
    writeFileAtomic(join(target, 'inner'), 'kept');
    expect(() => writeFileAtomic(target, 'x')).toThrow(ParaError);
    expect(readdirSync(join(folder, 'two'))).toEqual(['taken']);
    expect(readFileSync(join(target, 'inner'), 'utf8')).toBe('kept');
  });
});
