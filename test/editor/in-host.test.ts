import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { excused } from '../../remote-agent/test/hosts/sshd.ts';
import { checkout, noEditor } from './driver/requirements.ts';

describe.skipIf(excused(noEditor))('in the extension host', () => {
  it('the tests beside the extension pass', async () => {
    const { stdout } = await promisify(execFile)(process.execPath, ['scripts/test-in-host.mjs', '--built'], {
      cwd: checkout,
    });
    expect(stdout).toContain('in-host ok: the extension activates');
  });
});
