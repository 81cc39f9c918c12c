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
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ParaError } from '../../src/common/errors.ts';
import { followJob } from '../../src/hosts/follow.ts';
import type { HostProfile } from '../../src/hosts/profiles.ts';
import { writeRemote } from '../../src/hosts/remote-ref.ts';
import { HostSession } from '../../src/hosts/session.ts';
import { createJob, jobFiles } from '../../src/jobs/job.ts';
import { printable } from '../../src/protocol/printable.ts';
import { bundleProgram } from '../jobs/bundle.ts';
import { emptySpec } from '../jobs/host.ts';

const work = mkdtempSync(join(tmpdir(), 'para-hostile-'));
let program = '';
beforeAll(() => {
  program = bundleProgram(new URL('./hostile-agent.ts', import.meta.url), work);
});
afterAll(() => rmSync(work, { recursive: true, force: true }));

/** A host whose agent attacks in one way. */
function hostile(attack: string): HostProfile {
  const root = join(work, attack.replaceAll(' ', '-'));
  mkdirSync(join(root, 'agent/current'), { recursive: true });
  writeFileSync(
    join(root, 'agent/current/para-agent'),
    `exec '${process.execPath}' '${program}' '${attack}' "$@"\n`,
  );
  return { name: 'evil', transport: 'local', root };
}

const failureOf = async (work: Promise<unknown>): Promise<ParaError> => {
  const cause = await work.then(
    () => undefined,
    (failure) => failure,
  );
  expect(cause).toBeInstanceOf(ParaError);
  return cause as ParaError;
};

/** Follows a job of a hostile host into a run folder. */
async function follow(attack: string) {
  const directory = join(work, 'runs', attack.replaceAll(' ', '-'));
  createJob(directory, emptySpec());
  writeRemote(directory, { host: 'evil', id: 'x', bring: 'all', fetched: {} });
  const before = files();
  const heard: string[] = [];
  const control = new AbortController();
  const following = followJob(hostile(attack), directory, {
    signal: control.signal,
    onEvents: (events) => heard.push(JSON.stringify(events)),
    onJob: (job) => heard.push(JSON.stringify(job)),
    onLink: (state, problem) => {
      heard.push(
        JSON.stringify([state, problem instanceof ParaError ? problem.describe() : `${problem ?? ''}`]),
      );
      // Tried again for ever, as any link that is lost: seen once is enough here.
      if (state.at === 'waiting') control.abort(problem);
    },
  });
  return { directory, heard, before, following };
}

/** Everything under the test's folder, without the run folders' own files. */
const files = () =>
  readdirSync(work, { recursive: true, encoding: 'utf8' })
    .filter((name) => !/^runs\/[^/]+\//.test(name))
    .sort();
const steers = (text: string) => text !== printable(text);

describe('a hostile agent', () => {
  for (const attack of [
    'a file above the folder',
    'a file by absolute path',
    'a file of another kind',
    'events that are none',
    'numbers that repeat',
    'a type that is its own',
  ])
    it(`that sends ${attack} is told off, and nothing is written but the run's log`, async () => {
      const { directory, before, following } = await follow(attack);
      expect((await failureOf(following)).code).toBe('protocol');
      expect(existsSync('/tmp/evil.safetensors')).toBe(false);
      const folder = attack.replaceAll(' ', '-');
      const mine = new RegExp(`^(${folder}|runs/${folder})(/agent(/.*)?)?$`);
      expect(files().filter((name) => !before.includes(name) && !mine.test(name))).toEqual([]);
      const own = readdirSync(directory, { recursive: true, encoding: 'utf8' });
      expect(own.filter((name) => !/^(spec|status|remote)\.json$|^events\.jsonl$/.test(name))).toEqual([]);
    });

  it('cannot steer the terminal by events, states, notes or failures', async () => {
    const { directory, heard, following } = await follow('words that steer a terminal');
    const job = await following;
    expect(job?.state).toBe('failed');
    expect(heard.length).toBeGreaterThan(2);
    for (const text of [
      ...heard,
      readFileSync(jobFiles(directory).events, 'utf8'),
      readFileSync(jobFiles(directory).status, 'utf8'),
    ])
      expect([steers(text), /\\u00(1b|07|9b|0d)/.test(text)]).toEqual([false, false]);
    const session = await HostSession.open(hostile('words that steer a terminal'));
    expect(steers(JSON.stringify([session.notes, session.home]))).toBe(false);
    expect(session.notes).toEqual([printable(session.notes[0]!)]);
    const { jobs } = await session.call('jobs/list', {});
    expect(jobs[0]!.error).toMatch(/^\?\[2J\?/);
    expect(steers(jobs[0]!.error! + jobs[0]!.subject)).toBe(false);
    const failure = await failureOf(
      (await session.blobs()).get('x', 'adapter.safetensors', join(work, 'never')),
    );
    expect(steers(failure.describe())).toBe(false);
    session.close();
    const refused = await failureOf(HostSession.open(hostile('a failure that steers a terminal')));
    expect(steers(refused.describe() + refused.code)).toBe(false);
  });

  it('cannot pass off other bytes than announced, or an impossible number of them, as a result', async () => {
    for (const attack of ['a lie about bytes', 'bytes without end']) {
      const session = await HostSession.open(hostile(attack));
      const path = join(work, 'runs', 'result');
      const failure = await failureOf((await session.blobs()).get('x', 'adapter.safetensors', path));
      expect(failure.code).toBe(attack === 'a lie about bytes' ? 'blob' : 'host');
      expect([existsSync(path), existsSync(`${path}.part`)]).toEqual([false, false]);
      session.close();
    }
  });

  it('that answers with something else than was asked for is not believed', async () => {
    const session = await HostSession.open(hostile('an answer of another type'));
    expect((await failureOf(session.call('jobs/list', {}))).code).toBe('protocol');
    session.close();
  });

  it('does not bring the client down by nonsense, or get it to do anything by questions', async () => {
    for (const attack of ['no json', 'questions to the client']) {
      const session = await HostSession.open(hostile(attack));
      expect((await session.call('jobs/list', {})).jobs).toHaveLength(1);
      session.close();
    }
  });
});

describe('a hostile agent that sends without end', () => {
  it('is left before it says who it is', async () => {
    expect((await failureOf(HostSession.open(hostile('noise without end')))).code).toBe('protocol');
  });

  it.each(['a huge answer', 'a deep answer'])('%s, is left by whoever asked', async (attack) => {
    const failure = await failureOf(HostSession.open(hostile(attack)));
    expect([failure.code, failure.message]).toEqual(['protocol', expect.stringContaining('sends too much')]);
  });

  it('bytes beyond those announced, fills no disk', async () => {
    const session = await HostSession.open(hostile('bytes beyond those announced'));
    const path = join(work, 'runs', 'endless');
    const failure = await failureOf((await session.blobs()).get('x', 'adapter.safetensors', path));
    expect(failure.code).toBe('blob');
    expect([existsSync(path), existsSync(`${path}.part`)]).toEqual([false, false]);
    session.close();
  });
});

describe('an agent of another version', () => {
  it('is worked with where a protocol is common, though it says more than is known here', async () => {
    const session = await HostSession.open(hostile('an agent that says more'));
    expect(session.home).toBe('/');
    session.close();
  });

  it('is refused where none is, and the user is told what to do', async () => {
    for (const attack of ['an agent from the future', 'an agent from the past']) {
      const failure = await failureOf(HostSession.open(hostile(attack)));
      expect([failure.code, failure.hint]).toEqual(['protocol', expect.stringContaining('para')]);
    }
  });
});

it('printable text is what came, but for what steers a terminal', () => {
  expect(printable('a\tb\nübermäßig 漢字 😀 – “x”')).toBe('a\tb\nübermäßig 漢字 😀 – “x”');
  for (let code = 0; code < 0xa0; code++) {
    const char = String.fromCharCode(code);
    const kept = code === 9 || code === 10 || (code >= 0x20 && code < 0x7f);
    expect(printable(char)).toBe(kept ? char : '?');
  }
});
