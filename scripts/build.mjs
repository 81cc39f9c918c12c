// Bundles the agent (the `para` command and the trainer child) into remote-agent/dist.
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { install, root } from './install.mjs';

export async function build() {
  install();
  const { build: bundle } = await import('esbuild');
  await bundle({
    absWorkingDir: root,
    entryPoints: {
      para: 'remote-agent/src/cli/main.ts',
      trainer: 'remote-agent/src/jobs/trainer-main.ts',
      agent: 'remote-agent/src/server/main.ts',
    },
    outdir: join(root, 'remote-agent/dist'),
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    sourcemap: true,
    logLevel: 'warning',
    packages: 'external',
  });
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) await build();
