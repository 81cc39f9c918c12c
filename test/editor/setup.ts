// Before the first editor test: the package of this checkout for this machine, since that is what is tested.
import { spawnSync } from 'node:child_process';
import { testHost } from '../../scripts/test-host.mjs';
import { checkout } from './driver/requirements.ts';

export default function setup(): void {
  testHost();
  const target = `${process.platform}-${process.arch}`;
  const packed = spawnSync(process.execPath, ['scripts/package.mjs', target], {
    cwd: checkout,
    encoding: 'utf8',
  });
  if (packed.status !== 0) throw new Error(`No package for ${target}:\n${packed.stdout}${packed.stderr}`);
}
