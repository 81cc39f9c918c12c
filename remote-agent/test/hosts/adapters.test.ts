import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { adapterFrom, saveAdapter } from '../../src/adapters/adapter.ts';
import { baseWeights } from '../../src/adapters/base-weights.ts';
import { exportAdapter, writeExport } from '../../src/adapters/export.ts';
import { chooseLayers } from '../../src/adapters/layers.ts';
import { lora } from '../../src/adapters/lora.ts';
import { encodeSafetensors } from '../../src/adapters/safetensors.ts';
import { specFor } from '../../src/cli/train.ts';
import { normals } from '../../src/common/random.ts';
import { openBase } from '../../src/diffusion/base.ts';
import { exportOnHost, getAdapter, listAdapters, putAdapter } from '../../src/hosts/remote-adapters.ts';
import { HostSession } from '../../src/hosts/session.ts';
import { createJob, jobFiles } from '../../src/jobs/job.ts';
import { loadGraph } from '../../src/onnx/io.ts';
import { findLayers } from '../../src/onnx/modules.ts';
import { checkout, localHost } from './agent-host.ts';

const work = mkdtempSync(join(tmpdir(), 'para-adapters-'));
const root = join(work, 'host');
const host = localHost('there', root, join(work, 'here'));
const own = join(work, 'own.safetensors');
const foreign = join(work, 'foreign.safetensors');
let session: HostSession;

beforeAll(async () => {
  const base = openBase('pocket-sdxl');
  const layers = chooseLayers(findLayers(loadGraph(base.unet.path)).layers, 'attention');
  const plan = lora.plan(layers, { rank: 2 });
  const values = normals(1, 'put', plan.parameterCount);
  const info = { title: 'own', baseName: 'pocket-sdxl', baseHash: base.hash, subject: 'robot', steps: 7 };
  const adapter = adapterFrom(plan, values, info);
  saveAdapter(own, adapter);
  const weights = baseWeights(base.unet.path);
  writeExport(foreign, exportAdapter(adapter, { ...weights, format: 'kohya' }));
  session = await HostSession.open(host);
});
afterAll(() => {
  session?.close();
  rmSync(work, { recursive: true, force: true });
});

it('keeps an adapter that was put, lists it, and gives back its very bytes', async () => {
  expect(await listAdapters(session)).toEqual([]);
  const { sha256 } = await putAdapter(session, own);
  expect(await putAdapter(session, own, 'renamed')).toEqual({ sha256 });
  expect(await listAdapters(session)).toEqual([
    {
      source: { sha256 },
      name: 'renamed',
      method: 'lora',
      base: { name: 'pocket-sdxl', hash: openBase('pocket-sdxl').hash },
      subject: 'robot',
      steps: 7,
      bytes: readFileSync(own).length,
    },
  ]);
  const back = join(work, 'back.safetensors');
  await getAdapter(session, { sha256 }, back);
  expect(readFileSync(back).equals(readFileSync(own))).toBe(true);
});

it('takes files of other tools that fit a base of the host', async () => {
  const { sha256 } = await putAdapter(session, foreign);
  expect(
    (await listAdapters(session)).find((a) => 'sha256' in a.source && a.source.sha256 === sha256),
  ).toMatchObject({
    name: 'foreign',
    method: 'lora',
  });
});

it('exports to the very bytes of an export here, and answers others meanwhile', async () => {
  const source = await putAdapter(session, own);
  const order: string[] = [];
  const noted = <T>(what: string, work: Promise<T>) =>
    work.then((result) => {
      order.push(what);
      return result;
    });
  const exporting = noted(
    'exported',
    exportOnHost(session, source, { base: 'pocket-sdxl', format: 'kohya' }),
  );
  await noted('answered', session.call('ping', {}));
  const { method, files } = await exporting;
  expect(order).toEqual(['answered', 'exported']);
  expect(method).toBe('lora');
  expect([...files.values()].map((bytes) => readFileSync(foreign).equals(bytes))).toEqual([true]);
  await expect(
    exportOnHost(session, { job: 'nobody' }, { base: 'pocket-sdxl', format: 'kohya' }),
  ).rejects.toMatchObject({ code: 'run' });
});

it('shows nothing of a name that would steer a terminal', async () => {
  const { sha256 } = await putAdapter(session, own, 'evil\u001b[2J\u009b31mname');
  expect(
    (await listAdapters(session)).find((a) => 'sha256' in a.source && a.source.sha256 === sha256),
  ).toMatchObject({
    name: 'evil?[2J?31mname',
  });
});

it('refuses by name what is no adapter, and lists nothing of it', async () => {
  const before = await listAdapters(session);
  const put = (name: string, bytes: Uint8Array | string) => {
    const file = join(work, name);
    writeFileSync(file, bytes);
    return putAdapter(session, file);
  };
  await expect(put('words', 'no adapter')).rejects.toMatchObject({
    ...{ code: 'safetensors', where: join(work, 'words') },
  });
  await expect(put('torn', readFileSync(own).subarray(0, 1000))).rejects.toMatchObject({
    code: 'safetensors',
  });
  const other = encodeSafetensors(
    new Map([['model.weight', { dims: [2], data: Float32Array.of(1, 2) }]]),
    {},
  );
  await expect(put('other', other)).rejects.toMatchObject({ code: 'adapter' });
  await expect(putAdapter(session, join(work, 'missing'))).rejects.toMatchObject({ code: 'adapter' });
  expect(await listAdapters(session)).toEqual(before);
});

it('lists the adapters of jobs first, and gives them back', async () => {
  const before = process.env.PARA_HOME;
  process.env.PARA_HOME = root;
  try {
    const subject = join(work, 'robot.para.json');
    const pictures = [join(checkout, 'examples/robot/robot-1.png')];
    writeFileSync(subject, JSON.stringify({ pictures, class: 'robot' }));
    mkdirSync(join(root, 'runs'), { recursive: true });
    createJob(join(root, 'runs/job-1'), specFor(subject, {}, '2026-01-02T03:04:05.000Z'));
  } finally {
    if (before === undefined) delete process.env.PARA_HOME;
    else process.env.PARA_HOME = before;
  }
  expect((await listAdapters(session)).map((a) => a.source)).not.toContainEqual({ job: 'job-1' });
  writeFileSync(jobFiles(join(root, 'runs/job-1')).adapter, readFileSync(own));
  expect((await listAdapters(session))[0]).toMatchObject({
    source: { job: 'job-1' },
    method: 'para',
    subject: 'robot',
  });
  const back = join(work, 'of-job.safetensors');
  await getAdapter(session, { job: 'job-1' }, back);
  expect(readFileSync(back).equals(readFileSync(own))).toBe(true);
  await expect(getAdapter(session, { sha256: 'a'.repeat(64) }, back)).rejects.toMatchObject({ code: 'blob' });
});
