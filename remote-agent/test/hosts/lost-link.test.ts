import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { followJob } from '../../src/hosts/follow.ts';
import type { HostProfile } from '../../src/hosts/profiles.ts';
import { writeRemote } from '../../src/hosts/remote-ref.ts';
import { asParaError, HostSession } from '../../src/hosts/session.ts';
import { createJob, jobFiles, readStatus } from '../../src/jobs/job.ts';
import type { RequestError } from '../../src/protocol/connection.ts';
import { emptySpec } from '../jobs/host.ts';
import { checkout, localHost, Para, robotSubject } from './agent-host.ts';
import { agentsUnder, killHard } from './processes.ts';
import { Terminal } from './terminal.ts';

const work = mkdtempSync(join(tmpdir(), 'para-lost-'));
const subject = robotSubject(work, {
  samples: { every: 0 },
  validation: { every: 10 },
  checkpoints: { every: 10, keep: [20], best: true },
});
afterAll(() => rmSync(work, { recursive: true, force: true }));

/** A host that is not reached while `gate` is there; each try in vain adds a character to `tries`. */
function gatedHost(name: string, home: string) {
  const root = join(work, name);
  const profile = localHost(name, root, home);
  const [gate, tries] = [join(root, 'gate'), join(root, 'tries')];
  const script = join(root, 'agent/current/para-agent');
  const agent = readFileSync(script, 'utf8');
  writeFileSync(script, `if [ -e '${gate}' ]; then printf x >>'${tries}'; exit 255; fi\n${agent}`);
  const tried = () => (existsSync(tries) ? readFileSync(tries, 'utf8').length : 0);
  const close = () => writeFileSync(gate, '');
  return { profile, root, tried, close, open: () => rmSync(gate) };
}

describe('a link that was lost', () => {
  it('is tried again at once when the person wants it, however long it would have waited', async () => {
    const home = join(work, 'impatient');
    const host = gatedHost('far', home);
    createJob(join(host.root, 'runs', 'x'), emptySpec());
    const directory = join(home, 'runs', 'x');
    createJob(directory, emptySpec());
    writeRemote(directory, { host: 'far', id: 'x', bring: 'best', fetched: {} });
    host.close();
    const control = new AbortController();
    const asked: boolean[] = [];
    let waits = 0;
    const begun = performance.now();
    await followJob(host.profile, directory, {
      signal: control.signal,
      wantsNow: async (signal) => {
        if (asked.push(signal.aborted) === 7) host.open();
      },
      onLink: (state) => {
        if (state.at === 'waiting') waits += state.delayMs;
        if (state.at === 'connected') control.abort();
      },
    });
    expect(asked).toEqual(Array(7).fill(false));
    expect(host.tried()).toBe(7);
    // Seven waits are at least 250 + 500 + 1000 + ... ms: a try that waited for them all would take longer than they.
    expect(performance.now() - begun).toBeLessThan(waits);
  });

  it('is told of on a terminal, taken up again with Enter, and the end of the run rings once', async () => {
    const home = join(work, 'terminal');
    const host = gatedHost('near', home);
    await Para.run(home, ['train', subject, '--host', 'near', '--steps', '400', '--detach']);
    const id = readdirSync(join(home, 'runs'))[0]!;
    const words = [process.execPath, join(checkout, 'remote-agent/bin/para.js'), 'show', id, '--follow'];
    const terminal = new Terminal(words, { PARA_HOME: home });
    await terminal.until(() => readStatus(join(home, 'runs', id)).step > 0);
    host.close();
    agentsUnder(terminal.pid, 'serve', 'blobs').forEach(killHard);
    await terminal.until(() => terminal.shown.includes('(Enter: at once)'));
    await terminal.until(() => host.tried() >= 2);
    host.open();
    while (!terminal.shown.includes('connected to near again')) {
      terminal.type('\r');
      await new Promise((resume) => setTimeout(resume, 50));
    }
    expect(await terminal.ended, terminal.shown).toBe(0);
    expect(terminal.shown.split('the connection to near was lost')).toHaveLength(2);
    expect(terminal.shown.split('\u0007')).toHaveLength(2);
    expect(readStatus(join(home, 'runs', id))).toMatchObject({ state: 'finished', step: 400 });
  });
});

describe('a request', () => {
  const failed = (session: HostSession) =>
    session.client.call('jobs/list', {}).then(
      () => expect.fail('answered'),
      (cause: RequestError) => cause,
    );
  let host: HostProfile;
  beforeAll(() => {
    host = localHost('r', join(work, 'r'), join(work, 'requests'));
  });
  const agents = () => agentsUnder(process.pid, 'serve');

  it('in flight when the link is lost says that it may have been carried out, and that repeating it is harmless', async () => {
    const others = agents();
    const session = await HostSession.open(host);
    // Asked, and not answered: the agent is halted.
    const agent = agents().find((pid) => !others.includes(pid));
    process.kill(agent!, 'SIGSTOP');
    const cause = failed(session);
    await new Promise((resume) => setTimeout(resume, 100));
    killHard(agent!);
    expect(await cause).toMatchObject({ mayHaveHappened: true, failure: { code: 'host' } });
    const told = asParaError(await cause, session.profile);
    expect(told).toMatchObject({ code: 'host', hint: expect.stringContaining('may have been carried out') });
    session.close();
  });

  it('of a link that was lost before says that nothing was done', async () => {
    const session = await HostSession.open(host);
    session.close();
    const cause = await failed(session);
    expect(cause).toMatchObject({ mayHaveHappened: false, failure: { code: 'host' } });
    expect(asParaError(cause, session.profile)).toMatchObject({ hint: undefined });
  });
});

describe('of the checkpoints of a run on a host', () => {
  let profile: HostProfile;
  const home = join(work, 'bringer');
  beforeAll(() => {
    profile = localHost('b', join(work, 'b'), home);
  });
  it.each([
    ['last', []],
    ['best', ['best.safetensors']],
    ['all', ['best.safetensors', 'step-000020.safetensors']],
  ])('"%s" come home', async (bring, expected) => {
    const before = new Set(existsSync(join(home, 'runs')) ? readdirSync(join(home, 'runs')) : []);
    const words = ['train', subject, '--host', profile.name, '--steps', '30', '--bring', bring];
    await Para.run(home, words);
    const [id] = readdirSync(join(home, 'runs')).filter((name) => !before.has(name));
    const directory = join(home, 'runs', id!);
    const kept = (folder: string) =>
      readdirSync(join(folder, 'checkpoints'))
        .filter((name) => name.endsWith('.safetensors') && !name.startsWith('state'))
        .sort();
    expect(kept(directory)).toEqual(expected);
    expect(kept(join(profile.root, 'runs', basename(directory)))).toEqual([
      'best.safetensors',
      'step-000020.safetensors',
    ]);
    // The state to go on from comes home with each of them.
    expect(readdirSync(join(directory, 'checkpoints')).some((name) => name.startsWith('state'))).toBe(true);
    expect(existsSync(jobFiles(directory).adapter)).toBe(true);
  });
});
