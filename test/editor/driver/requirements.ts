import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkout } from '../../../remote-agent/test/hosts/agent-host.ts';
import { testHostFolder } from '../../../scripts/test-host.mjs';

export { checkout };

/** Where Debian puts the browser. */
export const chromiumPath = '/usr/bin/chromium';
export const hostFolder = testHostFolder();

const { version } = JSON.parse(readFileSync(join(checkout, 'package.json'), 'utf8')) as { version: string };

/** The packaged extension for this machine, as `npm run package` names it. */
export const packagedExtension = join(
  checkout,
  `dist/vsix/para-studio-${process.platform}-${process.arch}-${version}.vsix`,
);

/** Why no editor can be started here; `undefined` where one can. Under CI it is never excused. */
export const noEditor = !existsSync(hostFolder)
  ? 'the VS Code for the tests is not installed (node scripts/test-host.mjs)'
  : !existsSync(chromiumPath)
    ? 'chromium is not installed'
    : undefined;
