import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { drawnPng } from '../../src/dataset/drawn-picture.ts';
import { openBase } from '../../src/diffusion/base.ts';
import { generate } from '../../src/diffusion/generate.ts';
import { importBaseOnHost } from '../../src/hosts/remote-bases.ts';
import { generateOnHost } from '../../src/hosts/remote-generation.ts';
import { HostSession } from '../../src/hosts/session.ts';
import { checkout, sshHost } from './agent-host.ts';
import { killHard } from './processes.ts';
import { excused, noSshd, Sshd } from './sshd.ts';

const work = mkdtempSync(join(tmpdir(), 'para-gen-ssh-'));
const optimum = join(checkout, 'remote-agent/test/golden/bases/tiny-optimum');
const wish = {
  ...{ prompt: 'a red apple', negative: '', seed: 3, steps: 3, guidance: 5, scheduler: 'euler' },
  ...{ width: 16, height: 16 },
};
afterAll(() => rmSync(work, { recursive: true, force: true }));

/** The PNG file that this machine draws. */
async function drawnHere(): Promise<Uint8Array> {
  const base = openBase(optimum);
  const [picture] = await generate(base, wish);
  return drawnPng(picture!, { base: 'tiny', baseHash: base.hash, ...wish, adapters: [] });
}

describe.skipIf(excused(noSshd)).each(['openssh', 'ssh2'] as const)('a host over SSH (%s)', (transport) => {
  let sshd: Sshd;
  let session: HostSession;
  beforeAll(async () => {
    sshd = await Sshd.start({ banner: 'Property of nobody\n', bashrc: 'echo "Welcome!"\n' });
    session = await HostSession.open(sshHost('gpu', sshd, join(work, transport), transport));
  });
  afterAll(async () => {
    session?.close();
    const folder = join(sshd.home, '.para-studio/generators');
    if (existsSync(folder))
      for (const name of readdirSync(folder).filter((file) => file.endsWith('.lock')))
        killHard((JSON.parse(readFileSync(join(folder, name), 'utf8')) as { pid: number }).pid);
    await sshd?.stop();
  });

  it('takes a base from here and draws with it the file that is drawn here, also after the link was lost', async () => {
    await importBaseOnHost(session, { kind: 'here', path: optimum }, () => {}, { name: 'tiny' });
    const drawing = { ...wish, base: 'tiny', count: 1, adapters: [], device: 'cpu' as const };
    const expected = await drawnHere();
    const [first] = await generateOnHost(session, drawing);
    expect(Buffer.from(first!.png).equals(expected)).toBe(true);
    const lost = generateOnHost(session, { ...drawing, steps: 900 }, (p) => {
      if (p.at === 'step' && p.step === 2) session.channel.kill();
    });
    await expect(lost).rejects.toMatchObject({ code: 'host' });
    session.close();
    session = await HostSession.open(session.profile);
    const [second] = await generateOnHost(session, drawing);
    expect(Buffer.from(second!.png).equals(expected)).toBe(true);
  });
});
