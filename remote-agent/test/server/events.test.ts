import { appendFileSync, mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { EventLog } from '../../src/jobs/event-log.ts';
import { createJob, jobFiles, writeStatus } from '../../src/jobs/job.ts';
import { jobFolder } from '../../src/jobs/queue.ts';
import { Tail } from '../../src/jobs/tail.ts';
import { emptySpec, useHome } from '../jobs/host.ts';
import { type Answer, RawAgent } from './raw-agent.ts';

const home = useHome();
const agents: RawAgent[] = [];
const start = async (): Promise<RawAgent> => {
  const agent = new RawAgent(home.path);
  agents.push(agent);
  await agent.greet();
  return agent;
};
afterEach(() => {
  for (const agent of agents.splice(0)) agent.kill();
});

const timeOf = (seq: number) => new Date(1.7e12 + seq * 1000).toISOString();
const stepLine = (seq: number) =>
  `${JSON.stringify({ seq, time: timeOf(seq), type: 'step', step: seq, loss: 0.5, smoothedLoss: 0.5, learningRate: 1e-4, gradientNorm: 1, seconds: 0.1, memoryBytes: 1e9 })}\n`;

/** A job that is over, with a log of so many steps. */
function jobWithSteps(id: string, count: number, state: 'finished' | 'stopped' = 'finished'): string {
  const directory = jobFolder(id);
  createJob(directory, emptySpec());
  let text = '';
  for (let seq = 1; seq <= count; seq++) text += stepLine(seq);
  writeFileSync(jobFiles(directory).events, text);
  writeStatus(directory, { state, step: count, steps: count });
  return directory;
}

const subscribe = (agent: RawAgent, id: string, fromSeq = 1, last?: string) =>
  agent.ask('events/subscribe', { id, fromSeq, ...(last ? { last } : {}) });
const seqsOf = (answers: readonly Answer[], subscription?: number) =>
  answers
    .filter(
      (a) => a.method === 'events' && (subscription ?? a.params!.subscription) === a.params!.subscription,
    )
    .flatMap((a) => a.params!.events.map((e) => e.seq));
const upTo = (first: number, last: number) => Array.from({ length: last - first + 1 }, (_, i) => first + i);
const over = (a: Answer) => a.params?.job?.state === 'finished' || a.params?.job?.state === 'stopped';

describe('a subscription', () => {
  it('from the start of 100,000 steps brings every event once, and other requests are answered meanwhile', async () => {
    jobWithSteps('long', 100_000);
    const agent = await start();
    const alone = performance.now();
    for (let i = 0; i < 20; i++) await agent.ask('ping');
    const ping = (performance.now() - alone) / 20;
    const end = agent.next(over);
    await subscribe(agent, 'long');
    const begin = performance.now();
    let done = false;
    end.then(() => {
      done = true;
    });
    const between: number[] = [];
    while (!done) {
      const sent = performance.now();
      await agent.ask('ping');
      between.push(performance.now() - sent);
    }
    const seconds = (performance.now() - begin) / 1000;
    between.sort((a, b) => a - b);
    console.log(
      `100,000 events in ${seconds.toFixed(1)} s; a ping alone ${ping.toFixed(2)} ms, meanwhile ${between[between.length >> 1]!.toFixed(1)} ms (worst of ${between.length}: ${between.at(-1)!.toFixed(0)} ms)`,
    );
    expect(seqsOf(agent.lines)).toEqual(upTo(1, 100_000));
    // Answered while the log is sent, not after it.
    expect(between.length).toBeGreaterThan(20);
  });

  it('goes on after the last event that the client has, wherever in the log that is', async () => {
    jobWithSteps('long', 20_000);
    const agent = await start();
    for (const fromSeq of [1, 2, 3, 499, 500, 501, 7777, 19_999, 20_000, 20_001]) {
      const end = agent.next(over);
      const { result } = await subscribe(
        agent,
        'long',
        fromSeq,
        fromSeq > 1 ? timeOf(fromSeq - 1) : undefined,
      );
      expect(result).toMatchObject({ restarted: false });
      await end;
      const { subscription } = result as { subscription: number };
      expect(seqsOf(agent.lines, subscription)).toEqual(upTo(fromSeq, 20_000));
      await agent.ask('events/unsubscribe', { subscription });
    }
  });

  it('begins anew where the log lost its end, or has another past than the client', async () => {
    jobWithSteps('cut', 100);
    const agent = await start();
    for (const [fromSeq, last] of [
      [51, 'another time'],
      [201, timeOf(200)],
    ] as const) {
      const end = agent.next(over);
      const { result } = await subscribe(agent, 'cut', fromSeq, last);
      expect(result).toMatchObject({ restarted: true });
      await end;
      expect(seqsOf(agent.lines, (result as { subscription: number }).subscription)).toEqual(upTo(1, 100));
    }
  });

  it('brings lines that are written while it looks, in parts, or longer than it reads at once', async () => {
    const directory = jobWithSteps('live', 3, 'stopped');
    const { events } = jobFiles(directory);
    const agent = await start();
    await subscribe(agent, 'live');
    const seen = (seq: number) => agent.next((a) => a.params?.events.some((e) => e.seq === seq) ?? false);
    const four = seen(4);
    const line = stepLine(4);
    appendFileSync(events, line.slice(0, 50));
    await new Promise((resume) => setTimeout(resume, 300));
    appendFileSync(events, line.slice(50));
    await four;
    const five = seen(6);
    const note = { seq: 5, time: timeOf(5), type: 'note', message: 'ü'.repeat(99_000) };
    appendFileSync(events, `${JSON.stringify(note)}\n${stepLine(6)}`);
    await five;
    expect(seqsOf(agent.lines)).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it('ends where the job is deleted, and says so', async () => {
    const directory = jobWithSteps('gone', 3);
    const agent = await start();
    const end = agent.next(over);
    await subscribe(agent, 'gone');
    await end;
    const ended = agent.next((a) => a.params?.ended === true);
    rmSync(directory, { recursive: true });
    await ended;
  });

  it('is one of at most 256, for each of ten clients', async () => {
    jobWithSteps('many', 200);
    const clients = await Promise.all(Array.from({ length: 10 }, start));
    await Promise.all(
      clients.map(async (agent) => {
        const end = agent.next(over);
        await subscribe(agent, 'many');
        await end;
        expect(seqsOf(agent.lines)).toEqual(upTo(1, 200));
      }),
    );
    const [agent] = clients;
    for (let i = 1; i < 256; i++) await subscribe(agent!, 'many', 200);
    expect((await subscribe(agent!, 'many')).error).toMatchObject({ data: { code: 'protocol' } });
    await agent!.ask('events/unsubscribe', { subscription: 1 });
    expect((await subscribe(agent!, 'many')).result).toMatchObject({ restarted: false });
  });

  it('does not fill the agent’s memory for a client that does not listen', async () => {
    jobWithSteps('long', 100_000);
    const agent = await start();
    await subscribe(agent, 'long');
    agent.listen(false);
    for (let i = 0; i < 60; i++)
      void agent.raw(
        `{"jsonrpc":"2.0","id":"s${i}","method":"events/subscribe","params":{"id":"long","fromSeq":1}}\n`,
      );
    await new Promise((resume) => setTimeout(resume, 3000));
    const status = readFileSync(`/proc/${agent.child.pid}/status`, 'utf8');
    // 61 times the log would be 1.3 GB.
    expect(Number(/VmRSS:\s+(\d+)/.exec(status)![1]) / 1024).toBeLessThan(400);
  });
});

describe('the list of jobs', () => {
  it('brings 200 jobs newest first, in parts if asked, past folders that are none or damaged', async () => {
    for (let i = 0; i < 200; i++) {
      const directory = jobFolder(`job-${i}`);
      createJob(directory, emptySpec(new Date(1.7e12 + ((i * 7919) % 200) * 1000).toISOString()));
      writeStatus(directory, { state: 'finished', step: 10, steps: 10 });
    }
    mkdirSync(jobFolder('empty'));
    writeFileSync(jobFolder('a-file'), '');
    createJob(jobFolder('damaged'), emptySpec());
    truncateSync(jobFiles(jobFolder('damaged')).spec, 3);
    const agent = await start();
    const list = async (params: object) =>
      (await agent.ask('jobs/list', params)).result as {
        jobs: { createdAt: string; id: string }[];
        total: number;
      };
    const begin = performance.now();
    const first = await list({});
    const cold = performance.now() - begin;
    const again = performance.now();
    const { jobs, total } = await list({});
    console.log(
      `200 jobs: ${cold.toFixed(0)} ms the first time, ${(performance.now() - again).toFixed(0)} ms then`,
    );
    expect([total, jobs.length, first.jobs.length]).toEqual([200, 200, 200]);
    const times = jobs.map((job) => job.createdAt);
    expect(times).toEqual([...times].sort().reverse());
    const parts = [...(await list({ limit: 150 })).jobs, ...(await list({ skip: 150, limit: 150 })).jobs];
    expect(parts).toEqual(jobs);
  });
});

describe('seeking in a log', () => {
  it('finds every event of logs of many lengths, as reading all would', () => {
    const directory = jobFolder('seek');
    mkdirSync(directory, { recursive: true });
    for (const count of [0, 1, 2, 150, 151, 3000]) {
      let text = '';
      for (let seq = 1; seq <= count; seq++)
        text +=
          seq % 97 === 0
            ? `${JSON.stringify({ seq, time: timeOf(seq), type: 'note', message: 'x'.repeat(90_000) })}\n`
            : stepLine(seq);
      writeFileSync(jobFiles(directory).events, text);
      const tail = new Tail(jobFiles(directory).events);
      for (let seq = 1; seq <= count + 1; seq += seq < 200 || seq > count - 100 ? 1 : 37) {
        expect(tail.seek(seq)?.seq).toBe(seq > count ? undefined : seq);
        expect(tail.next()[0]?.seq).toBe(seq > count ? undefined : seq);
      }
      tail.close();
    }
    const log = new EventLog(jobFiles(directory).events);
    expect(log.lastSeq).toBe(3000);
    log.close();
  });
});
