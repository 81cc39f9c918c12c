import { describe, expect, test } from 'vitest';
import { ParaError } from '../../../remote-agent/src/common/errors.ts';
import { nobody } from '../../../remote-agent/src/hosts/prompter.ts';
import type { HostSession } from '../../../remote-agent/src/hosts/session.ts';
import { Hosts } from '../../../src/hosts/hosts.ts';
import { thisMachine } from '../../../src/hosts/this-machine.ts';

/** A link that is opened, refused and lost by hand: what counts here is the order in which that happens. */
function link() {
  let lose = () => {};
  const closed = new Promise<void>((resolve) => {
    lose = resolve;
  });
  let answer: (session: HostSession) => void = () => {};
  let refuse: (cause: unknown) => void = () => {};
  const opening = new Promise<HostSession>((resolve, reject) => {
    answer = resolve;
    refuse = reject;
  });
  const session = { closed, close: lose, notes: [], lost: () => new ParaError('host', 'lost') };
  return { opening, refuse, lose, session, answer: () => answer(session as unknown as HostSession) };
}

function hostsOver(links: readonly ReturnType<typeof link>[], mayConnect = () => {}) {
  const left = [...links];
  const local = () => ({ name: thisMachine, transport: 'local' as const, root: '' });
  return new Hosts(local, nobody, mayConnect, () => left.shift()!.opening);
}
const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('hosts', () => {
  test('share one connection, and open another after it was lost', async () => {
    const [first, second] = [link(), link()];
    const hosts = hostsOver([first, second]);
    const opening = hosts.session(thisMachine);
    expect(hosts.session(thisMachine)).toBe(opening);
    expect(hosts.status(thisMachine).at).toBe('connecting');
    first.answer();
    await opening;
    expect(hosts.status(thisMachine).at).toBe('connected');
    first.lose();
    await turn();
    expect(hosts.status(thisMachine)).toMatchObject({ at: 'failed', problem: { message: 'lost' } });
    second.answer();
    expect(await hosts.session(thisMachine)).toBe(second.session);
  });

  test('are told of the connection that is wanted now, not of one that was given up while it was opened', async () => {
    const [first, second] = [link(), link()];
    const hosts = hostsOver([first, second]);
    const old = hosts.session(thisMachine);
    hosts.disconnect(thisMachine);
    const now = hosts.session(thisMachine);
    second.answer();
    await now;
    first.refuse(new ParaError('host', 'too late'));
    await expect(old).rejects.toThrow('too late');
    expect(hosts.status(thisMachine).at).toBe('connected');
    expect(hosts.session(thisMachine)).toBe(now);
  });

  test('that are disconnected while they are reached stay so, and what was opened is closed', async () => {
    const first = link();
    const hosts = hostsOver([first]);
    const opening = hosts.session(thisMachine);
    hosts.disconnect(thisMachine);
    first.answer();
    await opening;
    await first.session.closed;
    expect(hosts.status(thisMachine).at).toBe('idle');
  });

  test('are not reached where nothing may be connected, which is no failure of theirs', async () => {
    const hosts = hostsOver([], () => {
      throw new ParaError('settings', 'not trusted');
    });
    await expect(hosts.session(thisMachine)).rejects.toThrow('not trusted');
    expect(hosts.status(thisMachine).at).toBe('idle');
  });
});
