import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const work = mkdtempSync(join(tmpdir(), 'para-prompter-'));
const program = join(work, 'ask.mjs');
const prompter = fileURLToPath(new URL('../../src/cli/terminal-prompter.ts', import.meta.url));

beforeAll(() => {
  writeFileSync(
    join(work, 'ask.ts'),
    `import { writeFileSync } from 'node:fs';
import { terminalPrompter } from ${JSON.stringify(prompter)};
const [what, result] = process.argv.slice(2);
const answer = what === 'key'
  ? await terminalPrompter.confirmHostKey({ host: '[gpu]:22', keyType: 'ssh-ed25519', fingerprint: 'SHA256:abc' })
  : await terminalPrompter.ask({ title: 'me@gpu', fields: [{ label: 'Name', echo: true }, { label: 'Secret', echo: false }] });
writeFileSync(result, JSON.stringify(answer ?? null));
`,
  );
  buildSync({
    entryPoints: [join(work, 'ask.ts')],
    outfile: program,
    bundle: true,
    platform: 'node',
    format: 'esm',
  });
});
afterAll(() => rmSync(work, { recursive: true, force: true }));

/** Runs the program on a terminal, with its input and output elsewhere; types each answer once its prompt shows. */
async function talk(what: 'key' | 'ask', ...answers: [prompt: string, typed: string][]) {
  const result = join(work, 'result');
  const line = `'${process.execPath}' '${program}' ${what} '${result}' </dev/null | cat`;
  const child = spawn('script', ['-qec', line, '/dev/null'], { stdio: ['pipe', 'pipe', 'inherit'] });
  let shown = '';
  child.stdout.on('data', (part: Buffer) => {
    shown += part;
    const next = answers[0];
    if (next && shown.slice(from).includes(next[0])) {
      from = shown.length;
      answers.shift();
      child.stdin.write(next[1]);
    }
  });
  let from = 0;
  await new Promise((resolve) => child.on('close', resolve));
  return { shown, answer: JSON.parse(readFileSync(result, 'utf8')) as unknown };
}

describe.skipIf(process.platform === 'win32')('questions on the terminal', () => {
  it('show what is typed only where it is no secret', async () => {
    const { shown, answer } = await talk('ask', ['Name: ', 'Zoë\r'], ['Secret: ', 'geheim ünd lang\r']);
    expect(answer).toEqual(['Zoë', 'geheim ünd lang']);
    expect(shown).toContain('me@gpu');
    expect(shown).toContain('Zoë');
    expect(shown).not.toContain('geheim');
  });

  it('let a typing error be mended', async () => {
    const { answer } = await talk('ask', ['Name: ', 'abx\u007fc\r'], ['Secret: ', 'wrong\u0015right\r']);
    expect(answer).toEqual(['abc', 'right']);
  });

  it.each(['\u0003', '\u0004'])('end without an answer at %j', async (key) => {
    expect((await talk('ask', ['Name: ', key])).answer).toBeNull();
  });

  it('trust a host key only on yes, or on its fingerprint', async () => {
    const trusts = async (...typed: string[]) =>
      (await talk('key', ...typed.map((text): [string, string] => ['fingerprint) ', `${text}\r`]))).answer;
    expect(await trusts('yes')).toBe(true);
    expect(await trusts('no')).toBe(false);
    expect(await trusts('y', '', 'SHA256:abd', 'SHA256:abc')).toBe(true);
    expect((await talk('key', ['fingerprint) ', 'no\r'])).shown).toMatch(
      /\[gpu\]:22[\s\S]*ssh-ed25519[\s\S]*SHA256:abc/,
    );
  });

  it('are answered with no where there is no terminal', async () => {
    for (const [what, expected] of [
      ['key', false],
      ['ask', null],
    ] as const) {
      const result = join(work, 'none');
      const child = spawn('setsid', ['-w', process.execPath, program, what, result], { stdio: 'ignore' });
      expect(await new Promise((resolve) => child.on('exit', resolve))).toBe(0);
      expect(JSON.parse(readFileSync(result, 'utf8'))).toBe(expected);
    }
  });
});
