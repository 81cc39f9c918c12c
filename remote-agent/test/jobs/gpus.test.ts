import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openBase } from '../../src/diffusion/base.ts';
import { deviceByName, deviceError } from '../../src/runtime/device.ts';
import { knownFailure } from '../../src/runtime/known-failure.ts';
import { memoryAtHand, memoryInAll, othersOn } from '../../src/runtime/memory.ts';
import { surroundings } from '../../src/server/generation/memory-gate.ts';
import { RunPlanner } from '../../src/training/run-plan.ts';
import { withinMemory } from '../../src/training/within-memory.ts';
import { excused } from '../hosts/sshd.ts';
import { paintAll, tinySpec } from '../training/runs.ts';
import { bundleProgram } from './bundle.ts';

const work = mkdtempSync(join(tmpdir(), 'para-gpus-'));
const tools = join(work, 'tools');
mkdirSync(tools);
afterAll(() => rmSync(work, { recursive: true, force: true }));

/** The driver's tool as it answers on a machine with two cards, of which the second is taken by others. */
const driver = (own: string) => `#!/bin/sh
case "$*" in
  *query-compute-apps*--id=1*) printf '%s, 2048, /usr/bin/node\\n311, [N/A], [Not Found]\\n4711, 19200, /opt/a, b/python3\\n' ${own};;
  *query-compute-apps*--id=0*) printf '%s, 700, /usr/bin/node\\n' ${own};;
  *driver_version*) printf '580.1, 24576, 23000, NVIDIA A\\n580.1, 40960, 500, NVIDIA B, big\\n';;
  *memory.free*--id=1*) echo 500;;
  *memory.free*--id=0*) echo 23000;;
  *memory.total*--id=1*) echo 40960;;
  *memory.total*--id=0*) echo 24576;;
  *) exit 9;;
esac
`;
/** Puts the tool into a folder. @param own the process that asks, which is among those that compute */
function putDriver(folder: string, own: string = String(process.pid)): void {
  const tool = join(folder, 'nvidia-smi');
  writeFileSync(tool, driver(own));
  chmodSync(tool, 0o755);
}

const others = 'python3 (process 4711, 20.1 GB), a program (process 311)';

describe('a card that others use', () => {
  const { PATH, CUDA_VISIBLE_DEVICES } = process.env;
  beforeEach(() => {
    putDriver(tools);
    process.env.PATH = `${tools}${delimiter}${PATH}`;
    process.env.CUDA_VISIBLE_DEVICES = '1';
  });
  afterEach(() => {
    process.env.PATH = PATH;
    delete process.env.CUDA_VISIBLE_DEVICES;
    if (CUDA_VISIBLE_DEVICES !== undefined) process.env.CUDA_VISIBLE_DEVICES = CUDA_VISIBLE_DEVICES;
  });

  it('is told with what they hold, the largest first, and without the program that asks', () => {
    expect([memoryAtHand('cuda'), memoryInAll('cuda')]).toEqual([500 * 2 ** 20, 40960 * 2 ** 20]);
    expect(othersOn('cuda')).toBe(others);
    expect(othersOn('cpu')).toBeUndefined();
    delete process.env.CUDA_VISIBLE_DEVICES;
    expect(memoryAtHand('cuda')).toBe(23000 * 2 ** 20);
    expect(othersOn('cuda')).toBeUndefined();
  });

  it('and whose memory is full ends a run with their names, or sends it on in lean with them', async () => {
    await paintAll(work, [[16, 16]]);
    const spec = { ...tinySpec(work), device: 'cuda' as const };
    const words =
      "Non-zero status code returned while running Mul node. Name:'m' Status Message: CUDA failure 2: out of memory ; GPU=0";
    const full = knownFailure(deviceByName('cuda'), new Error(words))!;
    const notes: string[] = [];
    let left = true;
    const run = {
      ...{ spec, paths: { state: join(work, 'none') } },
      hooks: {
        emit: (event: { type: string; message?: string }) => notes.push(event.message ?? ''),
        shouldStop: () => false,
      },
      sessions: {
        lessen: async () => {
          const could = left;
          left = false;
          return could;
        },
      },
    } as unknown as Parameters<typeof withinMemory>[0];
    await expect(
      withinMemory(run, async () => {
        throw full;
      }),
    ).rejects.toMatchObject({
      code: 'memory',
      where: `by Mul m; also on it: ${others}; 524 MB are free now`,
    });
    expect(notes).toEqual([expect.stringContaining(`also on it: ${others}): the run goes on in "lean"`)]);
  });

  it('and that leaves no room for a run has it refused with their names', async () => {
    await paintAll(work, [[16, 16]]);
    const spec = { ...tinySpec(work, { training: { batch: 4 } }), device: 'cuda' as const };
    const base = openBase(spec.base.name);
    expect(() => new RunPlanner(base, spec).plan(1e6)).toThrow(
      expect.objectContaining({
        code: 'memory',
        where: expect.stringContaining(`there: 1 MB; also on the device: ${others}`),
      }),
    );
    // Judged by all that the card has, it is not theirs to answer for.
    expect(() => new RunPlanner(base, spec).plan(1e6, undefined, 1e6)).toThrow(
      expect.objectContaining({ where: expect.not.stringContaining('python3') }),
    );
    const needed = new RunPlanner(base, spec).plan(1e12).neededBytes;
    const { note } = new RunPlanner(base, { ...spec, samples: { ...spec.samples, every: 1 } }).plan(
      1.2 * needed,
    );
    expect(note).toContain(`Also on the device: ${others}`);
  });

  it('is named to whoever wants to draw on it, or cannot begin on it at all', async () => {
    const around = surroundings('gpu1', 'cuda', () => {});
    expect([await around.free(), around.others()]).toEqual([500 * 2 ** 20, others]);
    expect(surroundings('gpu0', 'cuda', () => {}).others()).toBeUndefined();
    const busy = new Error('CUDA failure 46: CUDA-capable device(s) is/are busy or unavailable ; GPU=0');
    expect(deviceError(deviceByName('cuda'), busy)).toMatchObject({
      code: 'device',
      where: `the GPU is taken (failure 46); on it: ${others}`,
      hint: expect.stringContaining('one program compute at a time'),
    });
  });
});

// A namespace of its own lets an ordinary user put the tool where drivers do, where the system lets it.
const namespace = ['--user', '--map-root-user', '--mount'];
const unshared =
  spawnSync('unshare', [...namespace, 'mount', '-t', 'tmpfs', 'tmpfs', '/usr/local']).status === 0;
const noMount = unshared ? undefined : 'no file system can be mounted here';

describe.skipIf(excused(noMount))('a GPU whose tool is not on the PATH, as over SSH', () => {
  it('is found with its memory and with those who use it', () => {
    const program = bundleProgram(new URL('./driver-main.ts', import.meta.url), work);
    putDriver(tools, '1');
    const script = `mkdir keep && mount --rbind /usr/local keep && mount -t tmpfs tmpfs /usr/local
mkdir -p /usr/local/nvidia/bin && cp tools/nvidia-smi /usr/local/nvidia/bin/ && PATH=/bin:/usr/bin CUDA_VISIBLE_DEVICES=1 "$NODE" "$PROGRAM"`;
    const node = process.execPath.replace(/^\/usr\/local\//, `${work}/keep/`);
    const ended = spawnSync('unshare', [...namespace, 'sh', '-ec', script], {
      cwd: work,
      encoding: 'utf8',
      env: { ...process.env, NODE: node, PROGRAM: program },
    });
    expect(ended.stderr).toBe('');
    expect(JSON.parse(ended.stdout)).toMatchObject({
      ...{ free: 500 * 2 ** 20, all: 40960 * 2 ** 20 },
      gpus: [{ name: 'NVIDIA A' }, { name: 'NVIDIA B, big', freeBytes: 500 * 2 ** 20 }],
      others: expect.stringContaining('python3 (process 4711, 20.1 GB)'),
    });
  });
});
