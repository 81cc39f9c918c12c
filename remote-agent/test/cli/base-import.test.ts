import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { openBase } from '../../src/diffusion/base.ts';
import { checkout, Para } from '../hosts/agent-host.ts';
import { filesOf, HubServer } from '../hub/server.ts';

const work = mkdtempSync(join(tmpdir(), 'para-base-import-'));
const home = join(work, 'home');
const optimum = join(checkout, 'remote-agent/test/golden/bases/tiny-optimum');
afterAll(() => rmSync(work, { recursive: true, force: true }));

it('takes a base of a hub by owner and name, with the token of the environment, which it does not show', async () => {
  const hub = await new HubServer(filesOf(optimum)).start();
  hub.token = 'hf_tokenoftheenvironment';
  const args = ['base', 'import', 'owner/name', '--name', 'mine', '--endpoint', hub.origin];
  const refused = new Para(home, args);
  expect(await refused.done).toBe(1);
  expect(refused.stderr).toContain('PARA_HUB_TOKEN');
  process.env.PARA_HUB_TOKEN = hub.token;
  try {
    const said = await Para.run(home, args);
    expect(said).toContain('imported mine');
    expect(said).not.toContain(hub.token);
  } finally {
    delete process.env.PARA_HUB_TOKEN;
    hub.stop();
  }
  expect(readdirSync(join(home, 'bases'))).toEqual(['mine']);
  expect(openBase(join(home, 'bases/mine')).hash).toBe(openBase(optimum).hash);
});
