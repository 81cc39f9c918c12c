import { deepStrictEqual, match } from 'node:assert/strict';
import { nobody } from '../../../remote-agent/src/hosts/prompter.ts';
import { Hosts } from '../../../src/hosts/hosts.ts';
import { HostTree } from '../../../src/hosts/tree.ts';
import type { Tests } from './index.ts';

export const tests: Tests = {
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
