import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type HostPackage, openHostPackage, partPath } from '../../src/hosts/install/package.ts';
import { checkout } from './install/program.ts';

const built = join(checkout, 'remote-agent/dist/host');

describe('a program that has the shipped bases for its own use', () => {
  const work = mkdtempSync(join(tmpdir(), 'para-host-package-'));
  const [folder, bases, cache] = ['dist/host', 'bases', 'cache'].map((name) => join(work, name)) as [
    string,
    string,
    string,
  ];
  let own: HostPackage;

  beforeAll(() => {
    mkdirSync(folder, { recursive: true });
    for (const name of ['manifest.json', 'host-lock.json'])
      copyFileSync(join(built, name), join(folder, name));
    cpSync(join(checkout, 'remote-agent/bases'), bases, { recursive: true });
    vi.stubEnv('XDG_CACHE_HOME', cache);
    own = openHostPackage(folder);
  });
  afterAll(() => {
    vi.unstubAllEnvs();
    rmSync(work, { recursive: true, force: true });
  });

  it('sends hosts the very archive that a build makes, whenever and with whatever rights it was unpacked', async () => {
    for (const path of own.baseFiles) chmodSync(join(bases, path), 0o600);
    const path = await partPath(own, own.bases);
    expect(path.startsWith(cache)).toBe(true);
    expect(readFileSync(path).equals(readFileSync(join(built, own.bases.file)))).toBe(true);
  });

  it('packs them once, and again where the cache is damaged', async () => {
    const path = await partPath(own, own.bases);
    const { mtimeMs } = statSync(path);
    expect(statSync(await partPath(own, own.bases)).mtimeMs).toBe(mtimeMs);
    appendFileSync(path, 'rest');
    await partPath(own, own.bases);
    expect(statSync(path).size).toBe(own.bases.size);
  });

  it('sends no bases that were changed or are not whole, and leaves nothing half-written', async () => {
    rmSync(cache, { recursive: true });
    const config = own.baseFiles.find((path) => path.endsWith('.json'))!;
    const error = {
      code: 'base',
      message: expect.stringContaining('changed'),
      where: bases,
      hint: expect.stringContaining('install the program again'),
    };
    appendFileSync(join(bases, config), ' ');
    await expect(partPath(own, own.bases)).rejects.toMatchObject(error);
    rmSync(join(bases, config));
    await expect(partPath(own, own.bases)).rejects.toMatchObject(error);
    expect(readdirSync(join(cache, 'para-studio/downloads'))).toEqual([]);
  });
});
