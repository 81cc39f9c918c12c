import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { addJob, useHome } from './host.ts';

const home = useHome();
const path = process.env.PATH;

beforeEach(() => {
  process.env.PATH = path;
  vi.resetModules();
});

/** Puts a program of this name before all others. */
function program(name: string, script: string): void {
  const folder = join(home.path, 'bin');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, name), `#!/bin/sh\n${script}\n`);
  chmodSync(join(folder, name), 0o755);
  process.env.PATH = `${folder}:${path}`;
}

/** A supervisor in the agent's place, that says how it was started. */
function agent(): { bundle: string; said: () => Promise<string> } {
  const bundle = join(home.path, 'agent.mjs');
  const out = join(home.path, 'said');
  writeFileSync(
    bundle,
    `import { appendFileSync } from 'node:fs'; appendFileSync(${JSON.stringify(out)}, process.argv.slice(2).join(' ') + ' ' + (process.env.SCOPE ?? 'direct'));`,
  );
  const said = async () => {
    for (;;) {
      // The file is there before its words are.
      const text = existsSync(out) ? readFileSync(out, 'utf8') : '';
      if (text) return text;
      await new Promise((resume) => setTimeout(resume, 10));
    }
  };
  return { bundle, said };
}

// logind is no part of most test machines: its answers are played, our own programs are real.
describe('a supervisor', () => {
  it('starts directly where a closed login harms nobody', async () => {
    program('busctl', 'echo "b false"');
    const { kick } = await import('../../src/jobs/kick.ts');
    const { bundle, said } = agent();
    addJob('a');
    expect((await kick(bundle)).started).toEqual(['cpu']);
    expect(await said()).toBe('supervise cpu direct');
  });

  it('starts with nothing to do where an idle command is set and nobody waits to run it', async () => {
    program('busctl', 'echo "b false"');
    const { kick } = await import('../../src/jobs/kick.ts');
    const { setIdleCommand, waitForIdle } = await import('../../src/jobs/idle-command.ts');
    const { bundle, said } = agent();
    setIdleCommand({ minutes: 30, command: ['true'] });
    expect((await kick(bundle)).started).toEqual([]);
    expect(await said()).toBe('supervise cpu direct');
    const waiting = waitForIdle(5);
    await kick(bundle);
    setIdleCommand(undefined);
    await waiting;
    await kick(bundle);
    // Longer than the first one took to say something.
    await new Promise((resume) => setTimeout(resume, 500));
    expect(await said()).toBe('supervise cpu direct');
  });

  it('starts in a scope of its own where logind ends the processes of a closed login', async () => {
    program('busctl', 'echo "b true"');
    program('systemd-run', 'test "$1 $2 $3" = "--user --scope --quiet" && shift 3 && SCOPE=scope exec "$@"');
    const { kick } = await import('../../src/jobs/kick.ts');
    const { bundle, said } = agent();
    addJob('a');
    await kick(bundle);
    expect(await said()).toBe('supervise cpu scope');
  });

  it('starts all the same where no scope can be made, and the user is told what to set', async () => {
    program('busctl', 'echo "b true"');
    program('loginctl', 'echo no');
    program('systemd-run', 'echo "Failed to connect to bus" >&2; exit 1');
    const { kick } = await import('../../src/jobs/kick.ts');
    const { loginAdvice, loginRules } = await import('../../src/jobs/login.ts');
    const { bundle, said } = agent();
    addJob('a');
    await kick(bundle);
    expect(await said()).toBe('supervise cpu direct');
    expect(loginAdvice(await loginRules())).toContain('loginctl enable-linger');
    expect(readFileSync(join(home.path, 'logs/supervisor-cpu.txt'), 'utf8')).toContain('Failed to connect');
  });

  it('is not advised about where the user’s services linger', async () => {
    program('busctl', 'echo "b true"');
    program('loginctl', 'echo yes');
    const { loginAdvice, loginRules } = await import('../../src/jobs/login.ts');
    expect(loginAdvice(await loginRules())).toBeUndefined();
  });
});
