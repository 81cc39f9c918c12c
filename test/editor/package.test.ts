import { createWriteStream, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { imageSize } from 'image-size';
import { afterAll, beforeAll, expect, it } from 'vitest';
import yauzl from 'yauzl';
import { importBaseOnHost } from '../../remote-agent/src/hosts/remote-bases.ts';
import { generateOnHost } from '../../remote-agent/src/hosts/remote-generation.ts';
import { HostSession } from '../../remote-agent/src/hosts/session.ts';
import { checkpointGolden, writeCheckpoint } from '../../remote-agent/test/diffusion/random-checkpoint.ts';
import { packagedExtension } from './driver/requirements.ts';

let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'para-vsix-'));
  const zip = await yauzl.openPromise(packagedExtension);
  for await (const entry of zip.eachEntry()) {
    const path = join(folder, entry.fileName);
    mkdirSync(dirname(path), { recursive: true });
    await pipeline(await zip.openReadStreamPromise(entry), createWriteStream(path));
  }
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it('says in the manifest nothing that only the repository needs', () => {
  const manifest = JSON.parse(readFileSync(join(folder, 'extension/package.json'), 'utf8'));
  for (const key of ['scripts', 'devDependencies', 'workspaces', 'private'])
    expect(manifest).not.toHaveProperty(key);
});

it('loads one small file at the start, whatever is loaded later', () => {
  const { main } = JSON.parse(readFileSync(join(folder, 'extension/package.json'), 'utf8'));
  const start = join(folder, 'extension', main);
  const loaded = [...readFileSync(start, 'utf8').matchAll(/require\("([^"]+)"\)/g)].map(([, name]) => name!);
  expect(loaded).toContain('vscode');
  expect(loaded.filter((name) => name !== 'vscode' && !isBuiltin(name))).toEqual([]);
  expect(statSync(start).size).toBeLessThan(150_000);
});

/** The agent of the package, from where it is unpacked. */
function openAgent(): Promise<HostSession> {
  const program = join(folder, 'extension/remote-agent/dist/agent.js');
  const home = join(folder, 'home');
  const env = { PATH: process.env.PATH, HOME: home, PARA_HOME: join(home, 'para') };
  mkdirSync(home, { recursive: true });
  return HostSession.open({
    name: 'here',
    transport: 'local',
    root: '',
    agent: { words: [process.execPath, program], env },
  });
}

it('holds an agent that runs from where it is unpacked, draws and writes a picture', async () => {
  const session = await openAgent();
  try {
    const { bases } = await session.call('bases/list', {});
    expect(bases.map(({ name }) => name)).toEqual(['pocket-sdxl']);
    const [picture] = await generateOnHost(session, {
      base: 'pocket-sdxl',
      prompt: 'a dog',
      negative: '',
      seed: 1,
      steps: 2,
      guidance: 5,
      scheduler: 'euler',
      count: 1,
      adapters: [],
      device: 'cpu',
      idleSeconds: 0,
    });
    expect(imageSize(picture!.png)).toMatchObject({ type: 'png', width: picture!.width });
  } finally {
    session.close();
  }
});

it.each(['sd', 'sdxl'])(
  'holds what a checkpoint in one file needs to become a base: %s',
  async (architecture) => {
    const path = join(folder, `${architecture}.safetensors`);
    writeCheckpoint(path, checkpointGolden(architecture).tensors);
    const session = await openAgent();
    try {
      const base = await importBaseOnHost(session, { kind: 'path', path });
      expect(base).toMatchObject({ name: architecture, architecture });
    } finally {
      session.close();
    }
  },
);
