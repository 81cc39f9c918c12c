import { type ChildProcess, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { ByteChannel } from '../../src/protocol/byte-channel.ts';
import { sentinel } from '../../src/protocol/version.ts';
import { useHome } from '../jobs/host.ts';
import { agentBundle } from './raw-agent.ts';

const home = useHome();
const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

/** A real blob channel, past its sentinel. */
async function open(
  ...words: string[]
): Promise<{ channel: ByteChannel; exit: Promise<number | null>; kill: () => void }> {
  const child = spawn(process.execPath, [agentBundle, 'blobs', ...words], {
    env: { ...process.env, PARA_HOME: home.path },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  children.push(child);
  const exit = new Promise<number | null>((resolve) => child.on('exit', resolve));
  const channel = new ByteChannel(child.stdout!, child.stdin!);
  while ((await channel.readLine()) !== sentinel);
  return { channel, exit, kill: () => child.kill('SIGKILL') };
}

const sha = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const answerOf = async (channel: ByteChannel) =>
  JSON.parse((await channel.readLine()) ?? 'null') as {
    offset?: number;
    done?: true;
    error?: { code: string };
  };
const stored = () => (existsSync(join(home.path, 'blobs')) ? readdirSync(join(home.path, 'blobs')) : []);

it('refuses what is no request of its own, and ends', async () => {
  for (const line of [
    'no json',
    '{}',
    '[1,2]',
    'null',
    '{"op":"rm","path":"/"}',
    `{"op":"put","sha256":"../../x","size":1}`,
    `{"op":"put","sha256":"${'A'.repeat(64)}","size":1}`,
    `{"op":"put","sha256":"${'0'.repeat(64)}","size":-1}`,
    `{"op":"put","sha256":"${'0'.repeat(64)}","size":1.5}`,
    `{"op":"put","sha256":"${'0'.repeat(64)}","size":1,"path":"/tmp/x"}`,
    `{"op":"get","job":"../x","file":"adapter.safetensors","have":{"size":0,"sha256":"${'0'.repeat(64)}"}}`,
    `{"op":"get","job":"x","file":"../../spec.json","have":{"size":0,"sha256":"${'0'.repeat(64)}"}}`,
    `{"op":"get","job":"x","file":"spec.json","have":{"size":0,"sha256":"${'0'.repeat(64)}"}}`,
    `${'['.repeat(200_000)}`,
  ]) {
    const { channel, exit } = await open();
    await channel.write(`${line}\n`);
    expect([line.slice(0, 60), (await answerOf(channel)).error?.code]).toEqual([
      line.slice(0, 60),
      'protocol',
    ]);
    channel.end();
    expect(await exit).toBe(0);
  }
  expect(stored()).toEqual([]);
});

it('ends at a line without end, however long', async () => {
  const { channel, exit } = await open();
  const write = async () => {
    for (;;) await channel.write('x'.repeat(1 << 20));
  };
  await write().catch(() => {});
  expect(await exit).not.toBe(null);
});

it('takes a blob in spite of cuts, from where it was cut, and shows it under its hash once it is whole', async () => {
  const bytes = randomBytes(3 << 20);
  const request = `{"op":"put","sha256":"${sha(bytes)}","size":${bytes.length}}\n`;
  let from = 0;
  for (const cut of [1 << 20, 2 << 20]) {
    const { channel, kill } = await open();
    await channel.write(request);
    expect((await answerOf(channel)).offset).toBe(from);
    await channel.write(bytes.subarray(from, cut));
    const part = join(home.path, 'blobs', `${sha(bytes)}.part`);
    while (!existsSync(part) || statSync(part).size < cut)
      await new Promise((resume) => setTimeout(resume, 5));
    kill();
    from = cut;
    expect(stored()).not.toContain(sha(bytes));
  }
  const { channel } = await open();
  await channel.write(request);
  expect((await answerOf(channel)).offset).toBe(from);
  await channel.write(bytes.subarray(from));
  expect(await answerOf(channel)).toEqual({ done: true });
  expect(stored()).toEqual([sha(bytes)]);
  expect(sha(readFileSync(join(home.path, 'blobs', sha(bytes))))).toBe(sha(bytes));
  await channel.write(request);
  expect((await answerOf(channel)).offset).toBe(bytes.length);
  expect(await answerOf(channel)).toEqual({ done: true });
});

it('takes no bytes under the hash of others, and begins anew then', async () => {
  const bytes = randomBytes(1000);
  for (let tries = 0; tries < 2; tries++) {
    const { channel } = await open();
    await channel.write(`{"op":"put","sha256":"${sha(bytes)}","size":1000}\n`);
    expect((await answerOf(channel)).offset).toBe(0);
    await channel.write(randomBytes(1000));
    expect((await answerOf(channel)).error?.code).toBe('blob');
  }
  expect(stored()).toEqual([]);
});

/** Begins to send a blob, and waits until so much of it has arrived. */
async function begin(channel: ByteChannel, bytes: Buffer, from: number, to: number): Promise<void> {
  await channel.write(`{"op":"put","sha256":"${sha(bytes)}","size":${bytes.length}}\n`);
  expect((await answerOf(channel)).offset).toBe(from);
  await channel.write(bytes.subarray(from, to));
  const part = join(home.path, 'blobs', `${sha(bytes)}.part`);
  while (!existsSync(part) || statSync(part).size < to) await new Promise((resume) => setTimeout(resume, 5));
}

describe('a blob that two connections send', () => {
  it('is gone on with by the second where the first is silent, as dead links are that nobody has told of', async () => {
    const bytes = randomBytes(2 << 20);
    const [dead, living] = [await open(), await open()];
    await begin(dead.channel, bytes, 0, 1 << 20);
    await begin(living.channel, bytes, 1 << 20, 2 << 20);
    expect(await answerOf(living.channel)).toEqual({ done: true });
    // It was alive after all: its bytes go nowhere.
    await dead.channel.write(bytes.subarray(1 << 20, (1 << 20) + 100));
    expect(await answerOf(dead.channel)).toMatchObject({ error: { code: 'blob' } });
    expect(stored()).toEqual([sha(bytes)]);
    expect(sha(readFileSync(join(home.path, 'blobs', sha(bytes))))).toBe(sha(bytes));
  });

  it('is waited for by the second while the first sends, and need not be sent again', async () => {
    const bytes = randomBytes(1 << 20);
    const [first, second] = [await open(), await open()];
    await begin(first.channel, bytes, 0, 1000);
    await second.channel.write(`{"op":"put","sha256":"${sha(bytes)}","size":${bytes.length}}\n`);
    const offer = answerOf(second.channel);
    await first.channel.write(bytes.subarray(1000));
    expect(await answerOf(first.channel)).toEqual({ done: true });
    expect(await offer).toEqual({ offset: bytes.length });
    expect(await answerOf(second.channel)).toEqual({ done: true });
    expect(stored()).toEqual([sha(bytes)]);
  });
});

it('gives up where the bytes of a blob stop coming, keeps what came, and ends', async () => {
  const bytes = randomBytes(1000);
  const { channel, exit } = await open('0.3');
  await begin(channel, bytes, 0, 500);
  expect(await answerOf(channel)).toMatchObject({ error: { code: 'host' } });
  expect(await exit).toBe(0);
  expect(stored()).toEqual([`${sha(bytes)}.part`]);
});
