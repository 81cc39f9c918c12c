import { createHash, randomBytes } from 'node:crypto';
import {
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { encodeAdapter } from '../../src/adapters/adapter.ts';
import { specFor } from '../../src/cli/train.ts';
import { HostSession } from '../../src/hosts/session.ts';
import { takeLock } from '../../src/jobs/lock.ts';
import { jobFolder, slotLock } from '../../src/jobs/queue.ts';
import { toWireSpec } from '../../src/jobs/wire.ts';
import type { WireSpec } from '../../src/protocol/spec.ts';
import { sampleAdapter } from '../adapters/sample-adapters.ts';
import { checkout, placeAgent } from '../hosts/agent-host.ts';
import { addTinyBase, useHome } from '../jobs/host.ts';

const home = useHome();
let session: HostSession;
let unlock: () => void;
beforeEach(async () => {
  addTinyBase(home.path);
  placeAgent(home.path);
  // Keeps supervisors away, as one at work does.
  unlock = takeLock(slotLock('cpu'));
  session = await HostSession.open({ name: 'here', transport: 'local', root: home.path });
});
afterEach(() => {
  session.close();
  unlock();
});

const blob = (sha256: string) => join(home.path, 'blobs', sha256);

/** Sends new bytes as a client does; gives their hash. */
async function send(bytes: Uint8Array = randomBytes(5000)): Promise<string> {
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const path = join(home.path, 'to-send');
  writeFileSync(path, bytes);
  const { missing } = await session.call('blobs/missing', { hashes: [sha256] });
  if (missing.length > 0) await (await session.blobs()).put(path, sha256);
  return sha256;
}

function wireSpec(hashes: readonly string[]): WireSpec {
  const subject = join(home.path, 'subject.para.json');
  const base = join(home.path, 'bases/tiny');
  const pictures = [join(checkout, 'examples/robot/robot-1.png')];
  writeFileSync(subject, JSON.stringify({ base, pictures, class: 'robot', validation: { every: 0 } }));
  const spec = toWireSpec(specFor(subject, {}));
  return {
    ...spec,
    base: { ...spec.base, name: 'tiny' },
    pictures: hashes.map((sha256) => ({ sha256, caption: '' })),
    validationPictures: [],
  };
}

const submit = (id: string, hashes: readonly string[]) =>
  session.call('jobs/submit', { id, spec: wireSpec(hashes) });

/** Lets time pass for a blob: nobody has asked for it for so many hours. */
function age(sha256: string, hours: number): void {
  const then = new Date(Date.now() - hours * 3600_000);
  utimesSync(blob(sha256), then, then);
}

const remove = async (id: string): Promise<number> => {
  await session.call('jobs/cancel', { id });
  return (await session.call('jobs/delete', { id })).freedBytes;
};

describe('a job that is deleted', () => {
  it('frees its pictures, not those that another job has too, and tells how many bytes', async () => {
    const [own, shared] = [await send(), await send()];
    await submit('a', [own, shared]);
    await submit('b', [shared]);
    await session.call('jobs/cancel', { id: 'a' });
    const files = readdirSync(jobFolder('a')).map((name) => lstatSync(join(jobFolder('a'), name)).size);
    const { freedBytes } = await session.call('jobs/delete', { id: 'a' });
    expect(freedBytes).toBe(files.reduce((sum, size) => sum + size, 0) + 5000);
    expect([existsSync(blob(own)), existsSync(blob(shared))]).toEqual([false, true]);
    expect(await remove('b')).toBeGreaterThan(5000);
    expect(readdirSync(join(home.path, 'blobs'))).toEqual([]);
  });

  it('leaves what somebody was told is here, for a job that comes after', async () => {
    const picture = await send();
    await submit('a', [picture]);
    await send(readFileSync(blob(picture)));
    await remove('a');
    await submit('b', [picture]);
    expect(existsSync(blob(picture))).toBe(true);
  });

  it('leaves what was sent for a job that is not made yet, until nobody has come for it for a day', async () => {
    const [waiting, forgotten, halfSent] = [await send(), await send(), '5'.repeat(64)];
    writeFileSync(blob(`${halfSent}.part`), randomBytes(300));
    await submit('a', []);
    await submit('b', []);
    await remove('a');
    expect(readdirSync(join(home.path, 'blobs')).sort()).toEqual(
      [waiting, forgotten, `${halfSent}.part`].sort(),
    );
    age(waiting, 23);
    age(forgotten, 25);
    age(`${halfSent}.part`, 25);
    const freed = await remove('b');
    expect(readdirSync(join(home.path, 'blobs'))).toEqual([waiting]);
    expect(freed).toBeGreaterThan(5300);
  });

  it('leaves the blob of an adapter that was put there', async () => {
    const adapter = await send(encodeAdapter(sampleAdapter('lora')));
    await session.call('adapters/put', { sha256: adapter, name: 'dog' });
    age(adapter, 1000);
    await submit('a', []);
    await remove('a');
    expect(existsSync(blob(adapter))).toBe(true);
    expect(statSync(blob(adapter)).nlink).toBe(2);
  });
});

describe('a run that began elsewhere', () => {
  const line = (seq: number, step: number) =>
    `${JSON.stringify({ seq, time: `2026-01-01T00:00:0${seq}.000Z`, type: 'stopped', step })}\n`;
  const history = async (...lines: string[]) => ({
    events: await send(Buffer.from(lines.join(''))),
    files: [{ file: 'checkpoints/state.safetensors', sha256: await send(Buffer.from('a state')) }],
  });

  it('is one job however often it is sent, keeps nothing twice, and is told from one that did something else', async () => {
    const spec = wireSpec([]);
    const submitAll = async (lines: string[]) =>
      session.call('jobs/submit', { id: 'moved', spec, history: await history(...lines) });
    const lines = [line(1, 0), line(2, 10)];
    await submitAll(lines);
    const state = join(jobFolder('moved'), 'checkpoints/state.safetensors');
    expect(readFileSync(state, 'utf8')).toBe('a state');
    expect(readdirSync(join(home.path, 'blobs'))).toEqual([]);
    await submitAll(lines);
    await expect(submitAll([...lines, line(3, 20)])).rejects.toMatchObject({ code: 'exists' });
    expect(
      readFileSync(join(jobFolder('moved'), 'events.jsonl'), 'utf8')
        .trimEnd()
        .split('\n'),
    ).toHaveLength(2);
  });
});
