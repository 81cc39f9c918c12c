import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { peftFiles } from '../../src/adapters/import.ts';
import { readEvents } from '../../src/jobs/event-log.ts';
import { createJob, jobFiles, readStatus } from '../../src/jobs/job.ts';
import { goldenPath } from '../training/golden.ts';
import { paintAll, tinySpec } from '../training/runs.ts';
import { para, program } from './program.ts';

const work = mkdtempSync(join(tmpdir(), 'para-disk-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));
const home = join(work, 'home');

/** Runs a script of sh with these variables; what it said. */
async function shell(
  script: string,
  variables: Record<string, string> = {},
  before: readonly string[] = [],
): Promise<string> {
  const own = { cwd: work, home, NODE: process.execPath, PARA: para };
  return (await program([...before, 'sh', '-c', script], { ...own, ...variables })).said;
}

// A namespace of its own lets an ordinary user mount a disk in memory, where the system lets it.
const namespace = ['unshare', '--user', '--map-root-user', '--mount'];
const disk = join(work, 'disk');
mkdirSync(disk);
const mounts =
  spawnSync(namespace[0]!, [...namespace.slice(1), 'mount', '-t', 'tmpfs', 'tmpfs', disk]).status === 0;

/**
 * Runs two commands, the first of them on a disk that leaves `room` bytes, or where no disk can be mounted with a
 * limit of `limit` bytes a file; the second with `more` bytes than the first. What they leave on the disk is copied to
 * `kept`.
 */
function onFullDisk(
  room: number,
  limit: number,
  first: string,
  second: string,
  kept: string,
  more = 2 ** 24,
): Promise<string> {
  const [prepare, before] = mounts
    ? [`mount -t tmpfs -o size=${room + more} tmpfs "$DISK"; head -c ${more} /dev/zero > "$DISK/ballast"`, '']
    : ['rm -rf "$DISK"/*', `ulimit -f ${Math.ceil(limit / 512)};`];
  const script = `${prepare}
(${before} ${first})
echo "first ended with $?"
rm -f "$DISK/ballast"
echo "left: [$(find "$DISK" -type f)]"
${second}
echo "second ended with $?"
cp -r "$DISK/." ${kept}`;
  mkdirSync(kept);
  return shell(script, { DISK: disk }, mounts ? namespace : []);
}

const sizeOf = (folder: string): number =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    // A disk in memory gives files whole pages.
    .reduce(
      (sum, entry) => sum + Math.ceil(statSync(join(entry.parentPath, entry.name)).size / 4096) * 4096,
      0,
    );

const fullDisk = /The disk is full|larger than files may be here/;

/** A job that waits to be trained, and one like it that was trained on a disk with room enough. */
const fresh = join(work, 'fresh');
const reference = join(work, 'reference');

/** Makes both on a base, with a state that grows with the rank. */
async function makeJobs(base: string, rank: number, steps: number): Promise<void> {
  const subject = join(work, 'subject');
  await paintAll(subject, [[16, 16]]);
  const method = { name: 'lora', layers: 'all-linear', rank };
  const spec = tinySpec(subject, { base, method, checkpoints: { every: 2 }, training: { steps } });
  for (const directory of [fresh, reference]) {
    rmSync(directory, { recursive: true, force: true });
    createJob(directory, spec);
  }
  expect(await shell('"$NODE" "$PARA" train --resume reference')).toContain('done');
}

describe('on a full disk', () => {
  it.each([
    ['a state of 200 MB', 'pocket-sdxl', 510, 4, 200e6],
    ['a small state', goldenPath('bases/tiny-optimum'), 32, 8, 3e6],
  ])(
    'training with %s stops with its last state whole, and goes on to the same adapter once there is room',
    async (_, base, rank, steps, least) => {
      await makeJobs(base, rank, steps);
      const { state, cache, adapter } = jobFiles(reference);
      const stateSize = statSync(state).size;
      expect(stateSize).toBeGreaterThan(least);
      // The first state fits, the one that is to replace it does not.
      const room = sizeOf(cache) + 24 * 4096 + 1.5 * stateSize;
      const train = '"$NODE" "$PARA" train --resume "$DISK/run"';
      const kept = join(work, `trained-${rank}`);
      const first = `cp -r fresh "$DISK/run"\n${train}`;
      const said = await onFullDisk(
        room,
        stateSize - 1000,
        first,
        train,
        kept,
        Math.ceil(stateSize) + 2 ** 24,
      );
      expect(said).toMatch(fullDisk);
      expect(said).toContain('train --resume disk/run');
      expect(said).toContain('first ended with 1');
      expect(said).not.toContain('.tmp');
      expect(said).toContain('second ended with 0');
      const files = jobFiles(join(kept, 'run'));
      const resumed = readEvents(files.events).flatMap((e) => (e.type === 'resumed' ? [e.fromStep] : []));
      if (mounts) expect(resumed).toEqual([2]);
      expect(readStatus(join(kept, 'run')).state).toBe('finished');
      expect(readFileSync(files.adapter).equals(readFileSync(adapter))).toBe(true);
    },
  );

  it('generating leaves nothing, and gives the same picture once there is room', async () => {
    const generate = (out: string) =>
      `"$NODE" "$PARA" generate --base ${goldenPath('bases/tiny-optimum')} --prompt "a red apple" --steps 2 --out ${out}`;
    const kept = join(work, 'drawn');
    const said = await onFullDisk(0, 512, generate('"$DISK/a.png"'), generate('"$DISK/a.png"'), kept);
    expect(said).toMatch(fullDisk);
    expect(said).toContain('first ended with 1');
    expect(said, 'no file on the disk').toContain('left: []');
    expect(said).toContain('second ended with 0');
    expect(await shell(generate('elsewhere.png'))).not.toContain('error');
    expect(readdirSync(kept)).toEqual(['a.png']);
    expect(readFileSync(join(kept, 'a.png')).equals(readFileSync(join(work, 'elsewhere.png')))).toBe(true);
  });

  it('exporting leaves no half of a folder', async () => {
    const exporting = `"$NODE" "$PARA" export reference --base ${goldenPath('bases/tiny-optimum')} --format peft --out "$DISK/peft"`;
    const kept = join(work, 'exported');
    // The settings fit, the tensors do not.
    const said = await onFullDisk(6 * 4096, 8192, exporting, exporting, kept);
    expect(said).toMatch(fullDisk);
    expect(said, 'no file on the disk').toContain('left: []');
    expect(said).toContain('second ended with 0');
    expect(readdirSync(join(kept, 'peft')).sort()).toEqual([...peftFiles]);
  });
});

describe('in a folder that may not be written', () => {
  // An administrator may write everywhere, unless the process gives that up.
  const ordinary = process.getuid?.() === 0 ? ['setpriv', '--bounding-set=-all', '--inh-caps=-all'] : [];

  it('training, resuming and generating say so and leave everything as it was', async () => {
    const locked = join(work, 'locked');
    const inside = join(locked, 'run');
    cpSync(fresh, inside, { recursive: true });
    const before = readdirSync(locked, { recursive: true });
    for (const folder of [inside, locked]) chmodSync(folder, 0o555);
    const base = goldenPath('bases/tiny-optimum');
    for (const command of [
      'train subject/subject.para.json --out locked/new',
      'train --resume locked/run',
      `generate --base ${base} --prompt x --steps 1 --out locked/a.png`,
      `export reference --base ${base} --format kohya --out locked/b.safetensors`,
      `import reference/adapter.safetensors --base ${base} --out locked/c.safetensors`,
    ]) {
      const said = await shell(`"$NODE" "$PARA" ${command}; echo "ended with $?"`, {}, ordinary);
      expect(said, command).toContain('No permission to write here');
      expect(said, command).toContain('ended with 1');
    }
    expect(readdirSync(locked, { recursive: true })).toEqual(before);
  });
});

describe('output that exists', () => {
  it('is not written over unless that is asked for', async () => {
    const base = goldenPath('bases/tiny-optimum');
    writeFileSync(join(work, 'p.prompts'), 'a red apple --s 1\n');
    for (const command of [
      'train subject/subject.para.json --out taken',
      `generate --base ${base} --prompt x --steps 1 --out taken/a.png`,
      `compare reference --base ${base} --prompts p.prompts --out taken/a.png`,
      `export reference --base ${base} --format kohya --out taken/a.png`,
      `import reference/adapter.safetensors --base ${base} --out taken/a.png`,
    ]) {
      mkdirSync(join(work, 'taken'), { recursive: true });
      writeFileSync(join(work, 'taken/a.png'), 'mine');
      const said = await shell(`"$NODE" "$PARA" ${command}; echo "ended with $?"`);
      expect(said, command).toMatch(/exists|there already/);
      expect(said, command).toContain('ended with 1');
      expect(readFileSync(join(work, 'taken/a.png'), 'utf8')).toBe('mine');
      if (command.startsWith('train') || command.startsWith('export')) continue;
      expect(await shell(`"$NODE" "$PARA" ${command} --force; echo "ended with $?"`), command).toContain(
        'with 0',
      );
      expect(readFileSync(join(work, 'taken/a.png'), 'utf8')).not.toBe('mine');
    }
  });
});
