import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { protocolVersion } from '../../src/protocol/version.ts';
import { useHome } from '../jobs/host.ts';
import { RawAgent } from './raw-agent.ts';

const home = useHome();
const agents: RawAgent[] = [];
const start = (...args: string[]): RawAgent => {
  const agent = new RawAgent(home.path, ...args);
  agents.push(agent);
  return agent;
};
afterEach(() => {
  for (const agent of agents.splice(0)) agent.kill();
});

const invalidRequest = -32600;
const parseError = -32700;
const noSuchMethod = -32601;
const wrongParams = -32602;
const notGreeted = -32002;

/** Memory of a process in MiB. */
const memoryOf = (pid: number): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024;

describe('an agent', () => {
  it('answers what is no request with an error that says why, and goes on', async () => {
    const agent = start();
    await agent.greet();
    const deep = (open: string, close: string, n: number) => open.repeat(n) + close.repeat(n);
    const wrong: [string, number, (string | number | null)?][] = [
      ['{"jsonrpc":"2.0","id":1,"method":"no/such"}', noSuchMethod, 1],
      ['{"jsonrpc":"2.0","id":2,"method":"constructor"}', noSuchMethod, 2],
      ['{"jsonrpc":"2.0","id":3,"method":"__proto__"}', noSuchMethod, 3],
      ['{this is no json', parseError, null],
      ['{"jsonrpc":"2.0","id":4}', invalidRequest, 4],
      ['{"jsonrpc":"2.0","id":5,"method":7}', invalidRequest, 5],
      ['{"jsonrpc":"2.0","id":{},"method":"ping"}', invalidRequest, null],
      ['{"jsonrpc":"2.0","id":6,"method":"ping","params":[1]}', invalidRequest, 6],
      ['{"jsonrpc":"2.0","id":7,"method":"ping","params":null}', invalidRequest, 7],
      ['{"jsonrpc":"2.0","id":8,"method":"ping","params":{"x":1}}', wrongParams, 8],
      ['{"jsonrpc":"2.0","id":9,"method":"jobs/status","params":{"id":"../../etc"}}', wrongParams, 9],
      ['{"jsonrpc":"2.0","id":10,"method":"jobs/status","params":{"id":5}}', wrongParams, 10],
      ['{"jsonrpc":"2.0","id":11,"method":"jobs/log","params":{"id":"a","bytes":-1}}', wrongParams, 11],
      [`{"jsonrpc":"2.0","id":12,"method":"ping","params":${deep('[', ']', 500_000)}}`, invalidRequest, null],
      [
        `{"jsonrpc":"2.0","id":13,"method":"ping","params":${deep('{"a":', '}', 1000).replace('{"a":}', '1')}}`,
        invalidRequest,
        null,
      ],
      [`{"jsonrpc":"2.0","id":14,"method":"${'x'.repeat(5 << 20)}"}`, invalidRequest, null],
    ];
    for (const [line, code, id] of wrong) {
      const answer = agent.next((a) => a.error !== undefined);
      await agent.raw(`${line}\n`);
      const { error, id: answered } = await answer;
      expect([line.slice(0, 80), error!.code, answered]).toEqual([line.slice(0, 80), code, id]);
    }
    expect((await agent.ask('ping')).result).toEqual({});
    expect(agent.said).toBe('');
  });

  it('passes over noise, notifications and answers to questions it never asked', async () => {
    const agent = start();
    await agent.greet();
    for (const line of [
      'Welcome to Linux',
      '',
      '[{"jsonrpc":"2.0","id":1,"method":"ping"}]',
      '{"jsonrpc":"2.0","method":"$/cancelRequest"}',
      '{"jsonrpc":"2.0","method":"$/cancelRequest","params":{}}',
      '{"jsonrpc":"2.0","method":"$/setTrace","params":{"value":"verbose"}}',
      '{"jsonrpc":"2.0","method":"exit"}',
    ])
      await agent.raw(`${line}\n`);
    await agent.raw(Buffer.from([0xff, 0xfe, 0x00, 0x0a, 0x7b, 0xff, 0x0a]));
    expect((await agent.ask('ping')).result).toEqual({});
    expect(agent.said).toBe('');
  });

  it('answers nothing before the handshake, and says what to do where the versions part', async () => {
    const agent = start();
    expect((await agent.ask('ping')).error!.code).toBe(notGreeted);
    const newer = (await agent.greet('test', 9, 7)).error!;
    expect(newer.data).toMatchObject({
      code: 'protocol',
      hint: expect.stringContaining('para host install'),
    });
    const older = (await agent.greet('test', 0, 0)).error!;
    expect(older.data).toMatchObject({ code: 'protocol', hint: 'update this program' });
    expect((await agent.ask('ping')).error!.code).toBe(notGreeted);
    expect((await agent.greet('test', 9, 1)).result).toMatchObject({ newest: protocolVersion, oldest: 1 });
    expect((await agent.ask('ping')).result).toEqual({});
  });

  it('refuses a second request under an id that is not answered yet, and answers the first', async () => {
    const agent = start();
    await agent.greet();
    const line = '{"jsonrpc":"2.0","id":77,"method":"host/diagnostics"}\n';
    const refused = agent.next((a) => a.error !== undefined);
    const answered = agent.next((a) => a.id === 77);
    await agent.raw(line + line);
    expect((await refused).error!.message).toBe('The request 77 is not answered yet');
    expect((await answered).result).toMatchObject({ queue: [], locks: [] });
  });

  it('does not fill its memory for a client that asks without end and never listens, and serves it when it does', async () => {
    const agent = start();
    await agent.greet();
    for (let i = 0; i < 50; i++) await agent.ask('ping');
    const before = memoryOf(agent.child.pid!);
    agent.listen(false);
    const part = Array.from(
      { length: 1000 },
      (_, i) => `{"jsonrpc":"2.0","id":"flood${i}","method":"host/facts","params":{}}\n`,
    ).join('');
    let taken = 0;
    // The pipe takes what the agent reads: a write that is not taken for a while will never be.
    const stuck = async () => {
      while (taken < 4000) {
        const write = agent.raw(part.replaceAll('flood', `flood${taken}-`)).then(() => true);
        const late = new Promise<boolean>((resolve) => setTimeout(() => resolve(false), 1000));
        if (!(await Promise.race([write, late]))) return;
        taken++;
      }
    };
    await stuck();
    expect(taken).toBeLessThan(100);
    expect(memoryOf(agent.child.pid!) - before).toBeLessThan(100);
    agent.listen(true);
    expect((await agent.ask('ping')).result).toEqual({});
  });

  it('ends when its client falls silent, when it closes its end, and when it no longer listens', async () => {
    const silent = start('1');
    await silent.greet();
    expect(await silent.exit).toBe(0);
    const closed = start();
    await closed.greet();
    expect(await closed.end()).toBe(0);
    const deaf = start();
    await deaf.greet();
    deaf.child.stdout!.destroy();
    await deaf.raw('{"jsonrpc":"2.0","id":1,"method":"ping"}\n');
    expect(await deaf.exit).toBe(0);
  });

  it('opens no port', async () => {
    const agent = start();
    await agent.greet();
    // Sockets of the process among those that listen.
    const look = `ls -l /proc/${agent.child.pid}/fd; cat /proc/net/tcp /proc/net/tcp6`;
    const { stdout } = spawnSync('sh', ['-c', look], { encoding: 'utf8' });
    const inodes = [...stdout.matchAll(/socket:\[(\d+)\]/g)].map((m) => m[1]!);
    const listening = [...stdout.matchAll(/^\s*\d+: \S+ \S+ 0A (?:\S+\s+){5}(\d+)/gm)].map((m) => m[1]!);
    expect(inodes.filter((inode) => listening.includes(inode))).toEqual([]);
  });
});
