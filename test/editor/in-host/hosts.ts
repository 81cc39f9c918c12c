import { deepStrictEqual, doesNotMatch, match } from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { commands, window } from 'vscode';
import { ParaError } from '../../../remote-agent/src/common/errors.ts';
import { addHost, removeHost } from '../../../remote-agent/src/hosts/profiles.ts';
import { nobody } from '../../../remote-agent/src/hosts/prompter.ts';
import { Hosts } from '../../../src/hosts/hosts.ts';
import { HostTree } from '../../../src/hosts/tree.ts';
import { remediesOf } from '../../../src/remedies.ts';
import type { Tests } from './index.ts';

export const tests: Tests = {
  "a failure that the system's ssh would not have offers it, where the host does not use it already":
    async () => {
      const cause = new ParaError('login', 'no', { hint: 'choose the transport "openssh" for this host' });
      const ways = (transport: 'ssh2' | 'openssh') =>
        remediesOf(cause, () => ({ name: 'gpu', transport, target: 'gpu', root: '' })).map(
          ({ title }) => title,
        );
      deepStrictEqual(ways('ssh2'), ["Use the System's ssh", 'Check Host']);
      deepStrictEqual(ways('openssh'), ['Check Host']);
    },

  'diagnostics tell of the agent here and of what is wrong with a host, without the secrets in it':
    async () => {
      const root = mkdtempSync(join(tmpdir(), 'para-leaky-'));
      const launcher = join(root, 'agent/current/para-agent');
      mkdirSync(join(launcher, '..'), { recursive: true });
      writeFileSync(launcher, 'echo "no way with password=hunter2hunter2" >&2; exit 1\n');
      chmodSync(launcher, 0o755);
      addHost({ name: 'leaky', transport: 'local', root });
      try {
        await commands.executeCommand('para.reconnect', 'leaky');
        await commands.executeCommand('para.runDiagnostics');
        const report = window.activeTextEditor!.document.getText();
        match(report, /## this machine \(local\)\n\n```json\n\{/);
        match(report, /## leaky \(local\)\n\nfailed: .*no way with password=\[redacted\]/);
        doesNotMatch(report, /hunter2/);
      } finally {
        removeHost('leaky');
        rmSync(root, { recursive: true });
        await commands.executeCommand('workbench.action.revertAndCloseActiveEditor');
      }
    },

  'a package without an agent for this machine says so among the hosts': async () => {
    const hosts = new Hosts(
      () => undefined,
      nobody,
      () => {},
    );
    const tree = new HostTree(hosts, '', () => false);
    try {
      const items = tree.getChildren().map((node) => tree.getTreeItem(node));
      deepStrictEqual(items[0]?.label, 'this machine');
      match(String(items[0]?.description), /^cannot train/);
    } finally {
      tree.dispose();
      hosts.dispose();
    }
  },
};
