// What an installation on a host fetches: a registry of the test's own, where npm and pip of whoever uses the editor
// look, and the package for hosts in the installed extension, whose lock names what that registry has.
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fillShelf } from '../../remote-agent/test/hosts/install/program.ts';
import { Registry } from '../../remote-agent/test/hosts/install/registry.ts';
import type { EditorServer } from './driver/server.ts';

/** A registry that serves what the extension of an editor puts on hosts. */
export interface Supplies {
  stop(): Promise<void>;
}

export async function supplyHosts({ folder, home }: EditorServer): Promise<Supplies> {
  const work = mkdtempSync(join(tmpdir(), 'para-shelf-'));
  const { files, lock } = await fillShelf(work);
  const registry = await Registry.start(files);
  writeFileSync(join(home, '.npmrc'), `registry=${registry.url}\n`);
  mkdirSync(join(home, '.pip'));
  writeFileSync(join(home, '.pip/pip.conf'), `[global]\nindex-url = ${registry.url}\n`);
  const extensions = join(folder, 'extensions');
  const ours = readdirSync(extensions).find((name) => name.startsWith('para-studio.para-studio-'))!;
  writeFileSync(join(extensions, ours, 'remote-agent/dist/host/host-lock.json'), JSON.stringify(lock));
  return {
    stop: async () => {
      await registry.stop();
      rmSync(work, { recursive: true });
    },
  };
}
