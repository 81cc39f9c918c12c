// An agent that means harm: `hostile-agent ATTACK serve|blobs` speaks the protocol, and at one point does what it should
// not. It is started in the place of an honest one.
import { createInterface } from 'node:readline';
import { sentinel } from '../../src/protocol/version.ts';

const [attack, command] = process.argv.slice(2);
const say = (value: unknown) => process.stdout.write(`${JSON.stringify(value)}\n`);
/** What a terminal would obey: clears the screen, sets the title, moves up, writes over, turns the text around. */
export const steering = '\u001b[2J\u001b]0;owned\u0007\u009b1A\r\u202e';
const time = '2026-01-02T03:04:05.000Z';

const events: Record<string, unknown[]> = {
  'a file above the folder': [
    { seq: 1, time, type: 'sample', step: 1, prompt: '', seed: 1, file: '../../evil.png' },
  ],
  'a file by absolute path': [
    { seq: 1, time, type: 'finished', step: 1, seconds: 1, file: '/tmp/evil.safetensors' },
  ],
  'a file of another kind': [{ seq: 1, time, type: 'checkpoint', step: 1, file: 'remote.json' }],
  'events that are none': [{ seq: 1, time, type: 'run this', command: 'rm -rf ~' }],
  'numbers that repeat': [
    { seq: 1, time, type: 'note', message: 'one' },
    { seq: 3, time, type: 'note', message: 'three' },
  ],
  'a type that is its own': [{ seq: '1', time, type: 'note', message: {} }],
  'words that steer a terminal': [
    { seq: 1, time: steering, type: 'note', message: steering },
    { seq: 2, time, type: 'error', message: steering, where: steering, hint: steering },
  ],
  'a lie about bytes': [{ seq: 1, time, type: 'finished', step: 1, seconds: 1, file: 'adapter.safetensors' }],
  'bytes without end': [{ seq: 1, time, type: 'finished', step: 1, seconds: 1, file: 'adapter.safetensors' }],
};

const job = {
  id: 'x',
  subject: steering,
  method: 'para',
  base: 'b',
  createdAt: time,
  state: 'running',
  step: 1,
  steps: 2,
};

function serve(): void {
  if (attack === 'noise without end') {
    writeWithoutEnd();
    return;
  }
  process.stdout.write(`${steering}\n${sentinel}\n`);
  createInterface({ input: process.stdin }).on('line', (line) => {
    const { id, method } = JSON.parse(line) as { id: number; method?: string };
    if (method === undefined) return;
    const answer = (result: unknown) => say({ jsonrpc: '2.0', id, result });
    if (method === 'handshake') {
      if (attack === 'a failure that steers a terminal')
        return say({
          jsonrpc: '2.0',
          id,
          error: {
            code: -32000,
            message: 'x',
            data: { code: steering, what: steering, where: steering, hint: steering },
          },
        });
      if (attack === 'a huge answer')
        return process.stdout.write(`{"jsonrpc":"2.0","id":${id},"result":"${'x'.repeat(6 << 20)}"}\n`);
      if (attack === 'a deep answer')
        return process.stdout.write(
          `{"jsonrpc":"2.0","id":${id},"result":${'['.repeat(1e6)}${']'.repeat(1e6)}}\n`,
        );
      if (attack === 'no json')
        process.stdout.write(
          '{"jsonrpc": nonsense\n{"method":5}\n{}\n{"jsonrpc":"2.0","method":"$/cancelRequest"}\n',
        );
      if (attack === 'questions to the client')
        say({ jsonrpc: '2.0', id: 1, method: 'workspace/run', params: { command: 'x' } });
      if (attack === 'an agent from the future')
        return answer({ newest: 9, oldest: 8, agent: '9.0', home: '/', notes: [] });
      if (attack === 'an agent from the past')
        return answer({ newest: 0, oldest: 0, agent: '0.0', home: '/', notes: [] });
      if (attack === 'an agent that says more')
        return answer({ newest: 9, oldest: 1, agent: '9.0', home: '/', notes: [], more: { x: 1 } });
      return answer({ newest: 1, oldest: 1, agent: steering, home: steering, notes: [steering] });
    }
    if (method === 'events/subscribe') {
      answer({ subscription: 1, restarted: false });
      const told = events[attack!] ?? [];
      setTimeout(() => {
        say({ jsonrpc: '2.0', method: 'events', params: { subscription: 1, events: told } });
        const state = attack === 'words that steer a terminal' ? 'failed' : 'finished';
        say({
          jsonrpc: '2.0',
          method: 'events',
          params: { subscription: 1, events: [], job: { ...job, state, error: steering } },
        });
      }, 50);
      return;
    }
    if (method === 'jobs/list' && attack === 'an answer of another type')
      return answer({ jobs: [{ id: '../../x' }] });
    if (method === 'jobs/list') return answer({ jobs: [{ ...job, error: steering }] });
    answer({});
  });
}

function writeWithoutEnd(): void {
  const noise = 'x'.repeat(1 << 16);
  const write = () => {
    while (process.stdout.write(noise));
    process.stdout.once('drain', write);
  };
  write();
}

function blobs(): void {
  process.stdout.write(`${sentinel}\n`);
  process.stdin.on('data', () => {
    const zeros = '0'.repeat(64);
    if (attack === 'a lie about bytes') {
      say({ size: 4, sha256: zeros, offset: 0 });
      process.stdout.write('evil');
    } else if (attack === 'bytes beyond those announced') {
      say({ size: 4, sha256: zeros, offset: 0 });
      writeWithoutEnd();
    } else if (attack === 'bytes without end') say({ size: -1, sha256: zeros, offset: 0 });
    else say({ error: { code: 'blob', what: steering } });
  });
}

process.stdout.on('error', () => process.exit(0));
process.stdin.on('end', () => process.exit(0));
if (command === 'serve') serve();
else if (command === 'blobs') blobs();
