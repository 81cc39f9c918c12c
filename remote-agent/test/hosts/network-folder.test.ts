import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readEvents } from '../../src/jobs/event-log.ts';
import { jobFiles } from '../../src/jobs/job.ts';
import { networkFileSystem } from '../../src/server/diagnostics.ts';
import { checkout, localHost, Para } from './agent-host.ts';
import { adapterHash, expectWhole, undisturbed } from './run-checks.ts';
import { makeKey, noSshd, Sshd } from './sshd.ts';

/** Why no folder of another machine can be had here. */
const noSshfs =
  noSshd ??
  (existsSync('/usr/bin/sshfs') && existsSync('/dev/fuse') ? undefined : 'no sshfs, or no /dev/fuse');
if (noSshfs) console.error(`!!! Not run: ${noSshfs}`);

describe.skipIf(noSshfs !== undefined)('a host whose folder lies on another machine', () => {
  const work = mkdtempSync(join(tmpdir(), 'para-far-folder-'));
  const root = join(work, 'mounted');
  let sshd: Sshd;

  beforeAll(async () => {
    const key = join(work, 'key');
    sshd = await Sshd.start({
      authorized: [makeKey(key)],
      config: ['Subsystem sftp internal-sftp', 'ForceCommand internal-sftp'],
    });
    const known = join(work, 'known_hosts');
    writeFileSync(known, `${sshd.knownHost()}\n`);
    mkdirSync(root);
    const options = { IdentityFile: key, UserKnownHostsFile: known, Port: sshd.port, Ciphers: 'aes128-ctr' };
    const { status, stderr } = spawnSync(
      'sshfs',
      [
        ...Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`]),
        `${sshd.user}@127.0.0.1:${sshd.home}`,
        root,
      ],
      { encoding: 'utf8' },
    );
    expect([status, stderr]).toEqual([0, '']);
  });
  afterAll(async () => {
    spawnSync('umount', ['-l', root]);
    await sshd.stop();
    rmSync(work, { recursive: true, force: true });
  });

  it('says so, and trains there to the same bytes, watched live, though its trainer is killed', async () => {
    expect(networkFileSystem(root)).toContain('lies on a network file system (FUSE)');
    expect(networkFileSystem(work)).toBeUndefined();
    const home = join(work, 'home');
    localHost('far', root, home);
    const subject = join(work, 'robot.para.json');
    writeFileSync(
      subject,
      JSON.stringify({
        pictures: [join(checkout, 'examples/robot/robot-1.png')],
        class: 'robot',
        method: { layers: 'up_blocks.**.attn{1,2}.to_*' },
        training: { steps: 24, seed: 3 },
        samples: { every: 0 },
        validation: { every: 0 },
        checkpoints: { every: 5 },
      }),
    );
    const para = new Para(home, ['train', subject, '--host', 'far', '--json']);
    await para.untilStep(12);
    const [id] = readdirSync(join(root, 'runs')).filter((name) => !name.startsWith('.'));
    const { pid } = JSON.parse(readFileSync(jobFiles(join(root, 'runs', id!)).lock, 'utf8'));
    process.kill(pid, 'SIGKILL');
    expect(await para.done, para.stderr).toBe(0);
    expect(para.stdout + para.stderr).toContain('network file system');
    const directory = join(home, 'runs', readdirSync(join(home, 'runs'))[0]!);
    expect(basename(directory)).toBe(id);
    const events = readEvents(jobFiles(directory).events);
    expectWhole(events);
    expect(events.some((e) => e.type === 'resumed')).toBe(true);
    expect(adapterHash(directory)).toBe(await undisturbed(directory, work));
  });
});
