import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { specFor } from '../../src/cli/train.ts';
import { openBase } from '../../src/diffusion/base.ts';
import { followJob } from '../../src/hosts/follow.ts';
import { writeRemote } from '../../src/hosts/remote-ref.ts';
import { HostSession } from '../../src/hosts/session.ts';
import { submitRun } from '../../src/hosts/submit.ts';
import { createJob } from '../../src/jobs/job.ts';
import { requests } from '../../src/protocol/contract.ts';
import { seeded } from '../fuzz/mutate.ts';
import { checkout, localHost } from '../hosts/agent-host.ts';
import { goldenPath } from '../training/golden.ts';
import { randomParams } from './random-requests.ts';
import { RawAgent } from './raw-agent.ts';

const work = mkdtempSync(join(tmpdir(), 'para-security-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));

const all = (folder: string) => readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort();

describe('on a host', () => {
  const home = join(work, 'host');
  const client = join(work, 'client');
  const token = 'Zq7xK2mW9pL4vN8b';

  beforeAll(async () => {
    // Left open to everybody by whoever made it.
    mkdirSync(home, { recursive: true });
    chmodSync(home, 0o755);
    cpSync(goldenPath('bases/tiny-optimum'), join(home, 'bases/tiny'), { recursive: true });
    const host = localHost('near', home, client);
    const subject = join(work, 'subject.para.json');
    writeFileSync(
      subject,
      JSON.stringify({
        base: join(home, 'bases/tiny'),
        pictures: [join(checkout, 'examples/robot/robot-1.png')],
        class: 'robot',
        method: { layers: 'up_blocks.**.attn2.to_q' },
        training: { steps: 4 },
        samples: { every: 4, steps: 1, prompts: ['a robot'] },
        validation: { every: 4, timesteps: 1 },
        checkpoints: { every: 2, keep: [2] },
      }),
    );
    const spec = {
      ...specFor(subject, {}),
      base: { name: 'tiny', hash: openBase(join(home, 'bases/tiny')).hash },
    };
    const run = join(client, 'runs/run');
    createJob(run, spec);
    writeRemote(run, { host: 'near', id: 'run', bring: 'all', fetched: {} });
    const mask = process.umask(0o022);
    const session = await HostSession.open(host);
    await submitRun(session, run, 'run');
    expect((await followJob(host, run, {}, session))?.state).toBe('finished');
    process.umask(mask);
  });

  it('every file is its user’s alone, and every folder, though the login’s own mask is open', () => {
    expect(lstatSync(home).mode & 0o777).toBe(0o700);
    const open = all(home)
      .filter((name) => !/^(bases|agent)(\/|$)/.test(name))
      // A file that was only for a moment may be gone.
      .filter((name) => ((lstatSync(join(home, name), { throwIfNoEntry: false })?.mode ?? 0) & 0o077) !== 0);
    expect(open).toEqual([]);
    expect(all(home).filter((name) => /^runs\/run\//.test(name)).length).toBeGreaterThan(8);
  });

  it('diagnostics and log ends tell the state of the queue and the logs, and no secret', async () => {
    const agent = new RawAgent(home);
    await agent.greet();
    mkdirSync(join(home, 'logs'), { recursive: true });
    writeFileSync(
      join(home, 'logs/supervisor-cpu.txt'),
      `fetching https://ann:${token}@example.org\nno room\n`,
    );
    writeFileSync(join(home, 'runs/run/log.txt'), `HF_TOKEN=${token}\n${'x'.repeat(100)}\nlast words\n`);
    const { result } = await agent.ask('host/diagnostics');
    const told = result as {
      facts: { cpus: number };
      queue: unknown[];
      locks: unknown[];
      logs: { text: string }[];
    };
    expect(told.facts.cpus).toBeGreaterThan(0);
    expect([told.queue, told.locks]).toEqual([[], []]);
    expect(told.logs.map((log) => log.text).join()).toContain('no room');
    const log = (await agent.ask('jobs/log', { id: 'run', bytes: 1000 })).result as { text: string };
    expect(log.text).toContain('last words');
    expect(((await agent.ask('jobs/log', { id: 'run', bytes: 50 })).result as { text: string }).text).toBe(
      'last words\n',
    );
    expect(JSON.stringify([told, log])).not.toContain(token);
    agent.kill();
  });

  it('a job names bases that are registered and blobs that were sent, nothing else', async () => {
    const agent = new RawAgent(home);
    await agent.greet();
    const { spec } = (await agent.ask('jobs/spec', { id: 'run' })).result as {
      spec: Record<string, unknown>;
    };
    const submit = async (change: Record<string, unknown>) =>
      (await agent.ask('jobs/submit', { id: 'other', spec: { ...spec, ...change } })).error;
    const base = spec.base as { name: string; hash: string };
    const picture = { sha256: '1'.repeat(64), caption: '' };
    for (const change of [
      { base: { ...base, name: '../bases/tiny' } },
      { base: { ...base, name: join(home, 'bases/tiny') } },
      { base: { ...base, path: '/etc' } },
      { pictures: [{ ...picture, file: '/etc/passwd' }] },
      { pictures: [{ ...picture, sha256: '../../../etc/passwd' }] },
      { out: '/etc' },
    ])
      expect([change, (await submit(change))?.code]).toEqual([change, -32602]);
    expect((await submit({ base: { ...base, name: 'another' } }))?.data?.code).toBe('base');
    expect((await submit({ base: { ...base, hash: '0'.repeat(64) } }))?.data?.code).toBe('base');
    expect((await submit({ pictures: [picture] }))?.data?.code).toBe('blob');
    expect(readdirSync(join(home, 'runs'))).toEqual(['run']);
    agent.kill();
  });

  it('a link in a job’s folder leads nobody out of it', async () => {
    writeFileSync(join(work, 'private'), 'private');
    const job = join(home, 'runs/run');
    symlinkSync(join(work, 'private'), join(job, 'samples/link.png'));
    renameSync(join(job, 'checkpoints'), join(work, 'checkpoints'));
    symlinkSync(join(work, 'checkpoints'), join(job, 'checkpoints'));
    rmSync(join(job, 'log.txt'));
    symlinkSync(join(work, 'private'), join(job, 'log.txt'));
    const session = await HostSession.open({ name: 'here', transport: 'local', root: home });
    const path = join(work, 'fetched');
    const [state] = readdirSync(join(work, 'checkpoints')).filter((name) => /^state/.test(name));
    for (const file of ['samples/link.png', `checkpoints/${state}`])
      await expect((await session.blobs()).get('run', file, path)).rejects.toMatchObject({ code: 'run' });
    const { files } = await session.call('jobs/files', { id: 'run' });
    expect(files.map(({ file }) => file).filter((file) => /link|checkpoints/.test(file))).toEqual([]);
    expect(files.map(({ file }) => file)).toContain('adapter.safetensors');
    expect((await session.call('jobs/log', { id: 'run', bytes: 100 })).text).toBe('');
    await expect(
      session.call('adapters/export', {
        source: { job: 'run', file: 'checkpoints/step-000002.safetensors' },
        base: 'tiny',
        format: 'kohya',
      }),
    ).rejects.toMatchObject({ code: 'adapter' });
    const { freedBytes } = await session.call('jobs/delete', { id: 'run' });
    expect(freedBytes).toBeGreaterThan(1000);
    expect(readFileSync(join(work, 'private'), 'utf8')).toBe('private');
    session.close();
  });
});

describe('a hostile client', () => {
  it('gets an answer to each of 3000 requests, sensible or not, and nothing outside of the agent’s folder changes', async () => {
    const sandbox = mkdtempSync(join(work, 'sandbox-'));
    const home = join(sandbox, 'a', 'home');
    mkdirSync(home, { recursive: true });
    for (const name of ['evil', 'a/evil', 'a/runs', 'a/blobs', 'a/queue.json'])
      writeFileSync(join(sandbox, name), 'as it was');
    const outside = () =>
      all(sandbox)
        .filter((name) => !name.startsWith('a/home'))
        .map((name) => [name, lstatSync(join(sandbox, name)).mtimeMs]);
    const before = outside();
    const userHome = process.env.HOME;
    process.env.HOME = sandbox;
    const agent = new RawAgent(home);
    process.env.HOME = userHome;
    await agent.greet();
    const random = seeded(5);
    // Not those that start work of their own on the machine: what they take is checked before.
    const methods = Object.keys(requests).filter(
      (name) => !/^(generation|bases)\//.test(name) && name !== 'handshake',
    );
    const codes = new Map<string, number>();
    for (let i = 0; i < 3000; i++) {
      const method = methods[Math.floor(random() * methods.length)]!;
      const { error } = await agent.ask(method, randomParams(method, random));
      const code = error ? (error.data?.code ?? String(error.code)) : 'answered';
      codes.set(code, (codes.get(code) ?? 0) + 1);
    }
    // Each way of refusing was met, and some were answered: the requests were neither all absurd nor all tame.
    expect([...codes.keys()]).toEqual(expect.arrayContaining(['answered', '-32602', 'run']));
    expect(codes.get('host')).toBeUndefined();
    expect((await agent.ask('ping')).result).toEqual({});
    expect(agent.said).toBe('');
    expect(outside()).toEqual(before);
    agent.kill();
  });
});

describe('the source', () => {
  it('starts programs by argument vectors alone: no line for a shell is made outside of the one function that quotes', () => {
    const source = join(checkout, 'remote-agent/src');
    const found = all(source)
      .filter((name) => name.endsWith('.ts'))
      .flatMap((name) => {
        const text = readFileSync(join(source, name), 'utf8');
        const imported = /import \{([^}]*)\} from 'node:child_process'/.exec(text)?.[1] ?? '';
        const wrong = [
          /\bexec(Sync)?\b/.test(imported),
          /\bshell:\s*(?!false)/.test(text),
          /['"`]-[a-z]*c['"`]/.test(text),
        ];
        return wrong.some(Boolean) ? [name] : [];
      });
    // Fixed words whose values are arguments; and the ProxyCommand of the user's own settings, as ssh itself runs it.
    expect(found).toEqual(['hosts/install/shell.ts', 'hosts/ssh/road.ts']);
  });
});

it('each claim of docs/security.md names a test that is there', () => {
  const page = readFileSync(join(checkout, 'docs/security.md'), 'utf8');
  const named = [...page.matchAll(/`((?:server|hosts|jobs|common)\/[\w./-]+\.ts)`/g)].map(
    ([, name]) => name!,
  );
  expect(named.length).toBeGreaterThan(10);
  expect(named.filter((name) => !existsSync(join(checkout, 'remote-agent/test', name)))).toEqual([]);
  // What the client is protected from is held by the test that its section begins with.
  const claims = page
    .split('## At the client')[0]!
    .split('\n')
    .filter((line) => line.startsWith('- '));
  expect(claims.filter((line) => !line.includes('.test.ts'))).toEqual([]);
});
