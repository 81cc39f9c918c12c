// Bundles the agent into remote-agent/dist: the `para` command and its children for this machine, and in dist/host
// the package that `para host install` sends to other machines; and into dist what the editor loads.
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { agentPrograms, bundle, requireLines } from './bundle.mjs';
import { buildEditor } from './editor-bundles.mjs';
import { packHost } from './host-package.mjs';
import { install, root } from './install.mjs';

/** Packages with native code: on a host they come from the registry, made for that machine. */
const native = ['onnxruntime-node', 'onnxruntime-common', 'sharp', '@img/*'];

export async function build() {
  install();
  const dist = join(root, 'remote-agent/dist');
  await bundle({
    entryPoints: { para: 'remote-agent/src/cli/main.ts', ...agentPrograms },
    outdir: dist,
    sourcemap: true,
  });
  const banner = { js: requireLines.join('\n') };
  const forHosts = { banner, external: native };
  await bundle({
    ...forHosts,
    entryPoints: { ...agentPrograms, probe: 'remote-agent/src/server/probe-main.ts' },
    outdir: join(dist, 'host/agent/dist'),
  });
  await bundle({
    ...forHosts,
    entryPoints: { setup: 'remote-agent/src/hosts/install/setup-main.ts' },
    outdir: join(dist, 'host'),
    minify: true,
  });
  await packHost(join(dist, 'host'));
  await buildEditor();
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) await build();
