import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bytesOf, writeParts } from '../../../scripts/gpu/parts.mjs';
import { slim } from '../../../scripts/gpu/slim.mjs';
import { chosenStages } from '../../bench/gpu/main.ts';
import { parseSample } from '../../bench/gpu/meter.ts';
import { pageOf } from '../../bench/gpu/page.ts';
import { type GpuResults, merged, readResults } from '../../bench/gpu/results.ts';
import { stages } from '../../bench/gpu/stages/index.ts';
import { estimated, turnsOf } from '../../bench/gpu/turns.ts';
import { lastWords } from '../../bench/last-words.ts';
import { checkpointGolden, writeCheckpoint } from '../diffusion/random-checkpoint.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const [idle, working] = [1000, 3500];

/** A worker's arguments, as its process tells them; written so that who looks for them does not find himself. */
const argumentsOf = (work: string) => `"kind":"step","base":"[/]${work.slice(1)}`;

/** A driver's tool that tells of a card whose memory fills, and whose power rises, while one of our workers lives. */
const driverTool = (work: string) => `#!/bin/sh
case "$1" in
  *name,driver_version*) echo "Pretend Card, 580.10, 40960 MiB" ;;
  *memory.used*)
    if grep -qs '${argumentsOf(work)}' /proc/[0-9]*/cmdline; then echo "${working}, 300.50"; else echo "${idle}, [N/A]"; fi ;;
  *) exit 1 ;;
esac
`;

/** Process id of the worker that trains the base below a folder. */
const workerOf = (work: string): number | undefined =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .find((pid) => {
      try {
        return new RegExp(argumentsOf(work)).test(readFileSync(`/proc/${pid}/cmdline`, 'utf8'));
      } catch {
        return false;
      }
    });

describe.runIf(process.platform === 'linux')('the check of a GPU, rehearsed on the CPU', () => {
  const folder = mkdtempSync(join(tmpdir(), 'para-gpu-'));
  const [work, bin] = [join(folder, 'work'), join(folder, 'bin')];
  const checkpoint = join(folder, 'sdxl.safetensors');
  const results = () => readResults(join(work, 'rehearsal.json'));

  /** The command as a user types it, with everything that it fetches or keeps in the test's folder. */
  function start(args: readonly string[], said: { text: string }): ChildProcess {
    const given = [
      ...['--device', 'cpu', '--runtime-from', join(root, 'node_modules/onnxruntime-node')],
      ...['--work', work, '--checkpoint', checkpoint, ...args],
    ];
    const child = spawn(process.execPath, [join(root, 'scripts/gpu-check.mjs'), ...given], {
      env: {
        ...process.env,
        PATH: [bin, process.env.PATH].join(delimiter),
        XDG_CACHE_HOME: join(folder, 'cache'),
        PYTHON: 'no-python-here',
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [child.stdout, child.stderr])
      stream!.on('data', (text) => {
        said.text += text;
      });
    return child;
  }

  const ended = (child: ChildProcess) => new Promise<number | null>((done) => child.on('close', done));

  async function check(...args: string[]): Promise<{ code: number | null; text: string }> {
    const said = { text: '' };
    const code = await ended(start(args, said));
    return { code, text: said.text };
  }

  beforeAll(() => {
    mkdirSync(bin, { recursive: true });
    writeFileSync(join(bin, 'nvidia-smi'), driverTool(work), { mode: 0o755 });
    writeCheckpoint(checkpoint, checkpointGolden('sdxl').tensors, 'F16');
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('holds the device against the CPU: losses, gradients, lean, LoRA and PaRa, f16, a picture', async () => {
    const { code, text } = await check('--only', 'provider', '--only', 'small');
    expect(text).toContain('provider:');
    expect(code).toBe(0);
    const { small, reference, provider } = results().stages;
    expect(provider?.row).toMatchObject({ facts: { 'a matrix product': 'right' } });
    // What it is held against is made though only `small` was asked for.
    expect(reference?.failed).toBeUndefined();
    if (small?.row?.kind !== 'checks') throw new Error('nothing was compared');
    const { checks } = small.row;
    for (const method of ['para', 'lora'])
      for (const kind of ['fast, f32', 'lean, f32', 'fast, f16'])
        expect(checks.map(({ what }) => what)).toContain(`gradient, ${method}, ${kind}`);
    const find = (what: string) => checks.find((check) => check.what === what)!;
    // The same device computes the same bits; halves round, or they were none.
    expect(find('gradient, para, lean, f32').value).toBe(0);
    expect(find('gradient, lora, fast, f16').value).toBeGreaterThan(1e-5);
    expect(find('gradient, lora, fast, f16').value).toBeLessThan(2e-2);
    expect(find('picture, 99.9 % of its values').value).toBe(0);
  });

  it('loses only the stage whose process dies, tells it with its last words, and keeps earlier results', async () => {
    const said = { text: '' };
    const running = start(['--only', 'train-f32-para-fast'], said);
    let dead = false;
    const look = setInterval(() => {
      const pid = workerOf(work);
      if (pid === undefined || dead) return;
      dead = true;
      process.kill(pid, 'SIGKILL');
    }, 20);
    const code = await ended(running);
    clearInterval(look);
    expect(dead).toBe(true);
    expect(code).toBe(1);
    const { stages: found } = results();
    expect(found['train-f32-para-fast']?.failed).toMatch(/worker\.js.* was ended by SIGKILL/);
    // The checkpoint that it needs was imported first.
    expect(found.checkpoint?.row).toMatchObject({ kind: 'facts' });
    expect(found.small?.row?.kind).toBe('checks');
    expect(readFileSync(join(work, 'rehearsal.md'), 'utf8')).toContain('was ended by SIGKILL');
  });

  it('measures a training step: time, work beside the session, bytes over the bus, memory and power of the card', async () => {
    const { code } = await check('--only', 'train-f32-para-fast');
    expect(code).toBe(0);
    const record = results().stages['train-f32-para-fast'];
    if (record?.row?.kind !== 'contest') throw new Error('nothing was measured');
    const { ours, theirs } = record.row;
    expect(ours.medianMs).toBeGreaterThan(0);
    expect(ours.hostShare).toBeGreaterThan(0);
    expect(ours.hostShare).toBeLessThan(1);
    // PaRa's bases go there and their gradient comes back: as many numbers, and the loss.
    const latents = 4 * 8 * 8 * 4;
    expect(ours.fromBytes! - 4).toBeGreaterThan(0);
    expect(ours.toBytes).toBeGreaterThan(ours.fromBytes! + 2 * latents);
    expect(ours.cardBytes).toBe((working - idle) * 2 ** 20);
    expect(ours.watts).toBeCloseTo(300.5);
    expect(ours.estimatedBytes).toBeGreaterThan(50e6);
    // No Python here: the other side is missing and said to be.
    expect(theirs).toBeUndefined();
    expect(record.memory).toEqual({ before: idle * 2 ** 20, peak: working * 2 ** 20, after: idle * 2 ** 20 });
    const page = readFileSync(join(work, 'rehearsal.md'), 'utf8');
    expect(page).toContain('a rehearsal on the device "cpu", not on a card');
    expect(page).toMatch(/\| para \| fast \| f32 \| 64 px \| no PyTorch/);
    expect(page).toBe(pageOf(results()));
  });

  it('draws once for both of its contests', async () => {
    const { code } = await check('--only', 'draw-f16');
    expect(code).toBe(0);
    const [eager, compiled] = ['draw-f16', 'draw-f16-compiled'].map((name) => results().stages[name]?.row);
    if (eager?.kind !== 'contest' || compiled?.kind !== 'contest') throw new Error('nothing was measured');
    expect(eager.ours.medianMs).toBeGreaterThan(0);
    expect(compiled).toMatchObject({ compiled: true, ours: eager.ours });
  });

  it('takes results that were made elsewhere to those that are here, but none of a rehearsal', () => {
    const cuda = join(folder, 'cache/para-studio-tools/gpu/cuda13');
    const agent = readdirSync(cuda).find((name) => name.startsWith('agent-'))!;
    const [kept, page, brought] = ['kept.json', 'kept.md', 'brought.json'].map((name) => join(folder, name));
    const take = (file: string) =>
      spawnSync(
        process.execPath,
        [join(cuda, agent, 'dist/gpu-tables.js'), JSON.stringify({ results: kept, page, take: file })],
        { encoding: 'utf8' },
      );
    const refused = take(join(work, 'rehearsal.json'));
    expect([refused.status, refused.stderr]).toEqual([2, expect.stringContaining('no results of a card')]);
    expect(existsSync(kept!)).toBe(false);
    const card = {
      ...results().card!,
      gpu: 'Pretend Card',
      memory: '40960 MiB',
      device: 'cuda',
      widths: 'full',
    };
    const { provider, small } = results().stages;
    writeFileSync(kept!, JSON.stringify({ card, stages: { provider } }));
    writeFileSync(brought!, JSON.stringify({ card, stages: { small } }));
    expect(take(brought!).status).toBe(0);
    expect(Object.keys(readResults(kept!).stages).sort()).toEqual(['provider', 'small']);
    expect(readFileSync(page!, 'utf8')).toBe(pageOf(readResults(kept!)));
    expect(readFileSync(page!, 'utf8')).toContain('Measured on Pretend Card (40960 MiB)');
  });

  it('leaves out what does not fit into the time, by name, and ends a stage whose time is over', async () => {
    const before = results();
    expect(await check('--only', 'trian')).toMatchObject({
      ...{ code: 2, text: expect.stringContaining('There is no stage "trian"') },
    });
    const { text } = await check('--only', 'train-f32-para-fast', '--minutes', '0.001');
    expect(text).toMatch(/Left out, since 0\.001 minutes are too short for them: train-f32-para-fast/);
    expect(results()).toEqual(before);
    await check('--only', 'train-f32-lora-fast', '--minutes', '0.01');
    expect(results().stages['train-f32-lora-fast']?.failed).toBe('its time was over');
    expect(workerOf(work)).toBeUndefined();
  });
});

describe('results of a GPU', () => {
  const card = {
    ...{ gpu: 'A', memory: '1', driver: '580', device: 'cuda', runtime: '1', node: '20', processor: 'p' },
    ...{ cores: 1, widths: 'full' as const },
  };
  const facts = { kind: 'facts', facts: {} } as const;
  const record = (seconds: number, failed?: string) => ({
    ...{ date: '2026-01-01', seconds },
    ...(failed === undefined ? { row: facts } : { failed }),
  });

  it('add to each other by stage; a failure does not take the place of a measurement', () => {
    const earlier: GpuResults = { card, stages: { a: record(1), b: record(2), c: record(3, 'x') } };
    const later: GpuResults = { card, stages: { a: record(4), b: record(5, 'dead'), c: record(6, 'y') } };
    expect(merged(earlier, later).stages).toEqual({ a: record(4), b: record(2), c: record(6, 'y') });
  });

  it('tell of a provider that does not load what it lacks', () => {
    const said = `[E:onnxruntime] : 1 : FAIL : Failed to load library provider.so with error: libcuda.so.1: cannot open

_ParaError: The device "cuda" is not available here
    at deviceError (gpu-provider.js:1:1) {
  code: 'device',
  where: 'it does not load',
  hint: 'is there a driver?'
}`;
    expect(lastWords(said)).toContain('The device "cuda" is not available here');
    expect(lastWords(said)).toContain('libcuda.so.1: cannot open');
  });

  it('of the same kind of card in another machine add to each other too', () => {
    const earlier: GpuResults = { card, stages: { a: record(1) } };
    const later: GpuResults = { card: { ...card, driver: '580.2', cores: 2 }, stages: { b: record(2) } };
    expect(Object.keys(merged(earlier, later).stages)).toEqual(['a', 'b']);
  });

  it('of another card or driver are not mixed', () => {
    const earlier: GpuResults = { card, stages: { a: record(1) } };
    const later: GpuResults = { card: { ...card, driver: '581' }, stages: { b: record(2) } };
    expect(merged(earlier, later)).toEqual(later);
  });

  it('are what docs/gpu-check.md says', () => {
    const found = readResults(join(root, 'bench/gpu-results.json'));
    expect(readFileSync(join(root, 'docs/gpu-check.md'), 'utf8')).toBe(pageOf(found));
    if (!found.card) expect(pageOf(found)).toContain('No card was at hand');
  });

  it('need the stages whose files they read, unless these are there', () => {
    const names = (made: boolean, ...only: string[]) =>
      chosenStages({ only }, () => made).map(({ name }) => name);
    expect(names(false, 'draw-f16')).toEqual(['checkpoint', 'draw-f16', 'draw-f16-compiled']);
    expect(names(true, 'draw-f16')).toEqual(['draw-f16', 'draw-f16-compiled']);
    expect(names(false)).toEqual(stages.map(({ name }) => name));
  });

  it('that show what is right run beside each other where there is room; what is timed runs alone', () => {
    const turns = turnsOf(stages, true);
    expect(
      turns
        .flat()
        .map(({ name }) => name)
        .sort(),
    ).toEqual(stages.map(({ name }) => name).sort());
    const names = turns.map((turn) => turn.map(({ name }) => name));
    // What fails for all, and what several read, comes first.
    expect(names.slice(0, 2)).toEqual([['provider'], ['checkpoint']]);
    for (const turn of turns) if (turn.length > 1) expect(turn.every(({ untimed }) => untimed)).toBe(true);
    expect(names[2]).toEqual(expect.arrayContaining(['small', 'large-lora', 'large-cpu']));
    const few = stages.filter(({ name }) => ['provider', 'reference', 'small'].includes(name));
    expect(turnsOf(few, true)).toEqual([[few[0]], [few[1], few[2]]]);
    expect(turnsOf(stages, false)).toEqual(stages.map((stage) => [stage]));
  });

  it('fit into nine minutes by their estimates, all but the contests in f32', () => {
    const first = stages.slice(
      0,
      stages.findIndex(({ name }) => name === 'train-f32-para-fast'),
    );
    expect(first.map(({ name }) => name)).toContain('run-lora');
    expect(estimated(turnsOf(first, true))).toBeLessThan(540);
    // One after the other all take their sum.
    expect(estimated(turnsOf(first, false))).toBe(first.reduce((sum, { seconds }) => sum + seconds, 0));
  });

  it("take what the driver's tool does not tell as not told", () => {
    expect(parseSample('1234, 250.33', 5)).toEqual({ at: 5, used: 1234 * 2 ** 20, watts: 250.33 });
    expect(parseSample('[N/A], [Not Supported]', 5)).toEqual({ at: 5 });
  });
});

it('a provider that is packed for one card keeps its layout and the code of that card alone', () => {
  const entry = (arch: number, code: number[]) => {
    const header = Buffer.alloc(64);
    header.writeUInt32LE(64, 4);
    header.writeBigUInt64LE(BigInt(code.length), 8);
    header.writeUInt32LE(arch, 28);
    return Buffer.concat([header, Buffer.from(code)]);
  };
  const entries = Buffer.concat([entry(80, [1, 2, 3, 4]), entry(90, [5, 6, 7, 8])]);
  const head = Buffer.from('50ed55ba01001000', 'hex');
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(entries.length));
  const library = Buffer.concat([Buffer.from('before'), head, size, entries, Buffer.from('after')]);
  const found = slim(library, [90]);
  expect(found.length).toBe(library.length);
  const expected = Buffer.from(library);
  expected.fill(
    0,
    expected.indexOf(Buffer.from([1, 2, 3, 4])),
    expected.indexOf(Buffer.from([1, 2, 3, 4])) + 4,
  );
  expect(found.equals(expected)).toBe(true);
});

describe.runIf(process.platform !== 'win32')('a pack for a bare machine', () => {
  const folder = mkdtempSync(join(tmpdir(), 'para-pack-'));
  const [inside, target, there] = ['inside', 'target', 'there'].map((name) => join(folder, name));
  const unpack = (...args: string[]) => {
    const { status, stdout } = spawnSync('sh', [join(there!, 'unpack.sh'), ...args], { encoding: 'utf8' });
    return { status, stdout };
  };
  const bring = (name: string) => copyFileSync(join(target!, name), join(there!, name));

  beforeAll(() => {
    for (const path of [inside!, there!]) mkdirSync(path);
    // In Node's place a program that says what it was started with.
    writeFileSync(join(inside!, 'node'), '#!/bin/sh\nshift\necho "started with $*"\n', { mode: 0o755 });
    writeFileSync(join(inside!, 'noise'), randomBytes(150_000));
    expect(writeParts(inside!, target!, bytesOf('60K')).parts).toBe(3);
    for (const name of ['unpack.sh', 'parts.sha256', 'part-01', 'part-03']) bring(name);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('names the parts that are still to be brought, and starts once all are there', () => {
    expect(unpack()).toEqual({ status: 3, stdout: 'Still to be brought: part-02\n' });
    bring('part-02');
    expect(unpack('--only', 'small')).toEqual({ status: 0, stdout: 'started with --only small\n' });
    const [a, b] = [inside!, join(there!, 'gpu-check')].map((path) => readFileSync(join(path, 'noise')));
    expect(a!.equals(b!)).toBe(true);
  });

  it('starts nothing where a part was damaged on its way', () => {
    rmSync(join(there!, 'gpu-check'), { recursive: true });
    writeFileSync(join(there!, 'part-02'), 'damaged');
    expect(unpack().status).toBe(1);
    expect(existsSync(join(there!, 'gpu-check'))).toBe(false);
  });

  it('is not written over what is no pack', () => {
    expect(() => writeParts(inside!, inside!, 1000)).toThrow(
      /holds (node|noise), which is no part of a pack/,
    );
    expect(() => bytesOf('60 apples')).toThrow('"60 apples" is no size');
  });
});

// Python is never needed: where the project's own is installed, it is tried too.
const python = join(
  process.env.XDG_CACHE_HOME || join(homedir(), '.cache'),
  'para-studio-tools/venv/bin/python',
);
if (existsSync(python))
  it("PyTorch's side without diffusers computes what diffusers computed: text states, U-Net, picture within 1e-4", async () => {
    const { stdout } = await promisify(execFile)(python, [join(root, 'tools/plain/check.py')]);
    expect(Object.keys(JSON.parse(stdout))).toEqual(['hidden', 'pooled', 'output', 'picture']);
  });
