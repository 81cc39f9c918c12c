import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { hasLogin } from '../profiles.ts';
import { basesName, versionName } from './names.ts';
import type { RuntimeFile, SetupRequest } from './request.ts';
import { syncTree, unpackLibraries, unpackTar } from './unpack.ts';

/** Folders below the root that an installation consists of. */
export const folders = (root: string) => ({
  agent: join(root, 'agent'),
  node: join(root, 'node'),
  runtime: join(root, 'runtime'),
  shipped: join(root, 'shipped'),
  /** What a set-up that is not done has so far; bases are downloaded elsewhere. */
  setup: join(root, 'setup'),
});

/**
 * The program that `agent/current/para-agent` is: it turns `current` into the folder of the version it points to, so
 * that whatever is started from there stays with this version.
 */
const launcher = `#!/bin/sh
# Starts this version of the agent with its own Node, runtime and CUDA libraries. Written by "para host install".
here=$(cd "$(dirname "$0")" && pwd -P) || exit 127
PARA_HOME=\${here%/agent/*}
# Libraries that keep a cache in the home (fonts, code made for the GPU) keep it here.
XDG_CACHE_HOME=$PARA_HOME/cache
CUDA_CACHE_PATH=$PARA_HOME/cache/cuda
export PARA_HOME XDG_CACHE_HOME CUDA_CACHE_PATH
if [ -d "$here/cuda" ]; then
  LD_LIBRARY_PATH=$here/cuda\${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
  export LD_LIBRARY_PATH
fi
if [ -r "$PARA_HOME/proxy" ]; then
  : "\${https_proxy:=$(cat "$PARA_HOME/proxy")}" "\${http_proxy:=$https_proxy}"
  export https_proxy http_proxy
fi
program=agent
if [ "$1" = probe ]; then
  program=probe
  shift
fi
exec "$here/node" "$here/dist/$program.js" "$@"
`;

/** Makes a folder whole or not at all: it is built beside its place and moved there by one rename. */
async function build(parent: string, name: string, fill: (folder: string) => Promise<void>): Promise<string> {
  const target = join(parent, name);
  if (existsSync(target)) return target;
  const draft = join(parent, `.new-${process.pid}`);
  rmSync(draft, { recursive: true, force: true });
  mkdirSync(draft, { recursive: true });
  await fill(draft);
  syncTree(draft);
  renameSync(draft, target);
  return target;
}

/** Removes what set-ups that were cut off left behind; the caller holds the installation's lock. */
export function removeDrafts(root: string): void {
  const { agent, runtime, shipped } = folders(root);
  for (const parent of [agent, runtime, shipped])
    if (existsSync(parent))
      for (const name of readdirSync(parent))
        if (/^\.(new|current)-/.test(name)) rmSync(join(parent, name), { recursive: true, force: true });
}

/** The runtime's folder: packages in `node_modules`, CUDA libraries in `cuda`. */
export function buildRuntime({ root, runtime }: SetupRequest): Promise<string> {
  const { setup, runtime: parent } = folders(root);
  return build(parent, runtime.name, async (draft) => {
    const modules = join(draft, 'node_modules');
    // Packages first: the provider of a wheel goes beside the libraries of the package.
    const order = (file: RuntimeFile) => (file.file.endsWith('.whl') ? 1 : 0);
    for (const file of [...runtime.files].sort((a, b) => order(a) - order(b))) {
      const archive = join(setup, file.file);
      if (file.file.endsWith('.whl')) await unpackLibraries(archive, placeIn(draft, modules));
      else await unpackTar(archive, join(modules, file.name), 1, (path) => neededHere(path));
    }
  });
}

/** Of the runtime's package, libraries of other systems stay in the archive. */
export const neededHere = (path: string, arch: string = process.arch): boolean =>
  !/^bin\/napi-v[0-9]+\/./.test(path) || `${path}/`.startsWith(`bin/napi-v6/linux/${arch}/`);

/** Where a library of a wheel goes: ONNX Runtime's CUDA provider beside the runtime, CUDA's own to `cuda`. */
function placeIn(draft: string, modules: string) {
  const native = join(modules, `onnxruntime-node/bin/napi-v6/linux/${process.arch}`);
  return (path: string): string | undefined => {
    if (/^onnxruntime\/capi\/libonnxruntime_providers_(shared|cuda)\.so$/.test(path)) return native;
    return path.startsWith('nvidia/') ? join(draft, 'cuda') : undefined;
  };
}

/** The shipped bases, a part of their own: a new agent with the same bases does not need them again. */
export function buildBases({ root, bases }: SetupRequest): Promise<string> {
  const { setup, shipped } = folders(root);
  return build(shipped, basesName(bases.file), (draft) => unpackTar(join(setup, bases.file), draft, 0));
}

/** The agent's folder: its programs, the launcher, and links to Node, runtime and bases. */
export function buildAgent(request: SetupRequest, runtime: string, bases: string): Promise<string> {
  const { setup, agent } = folders(request.root);
  return build(agent, versionName(request), async (draft) => {
    await unpackTar(join(setup, request.agent.file), draft, 0);
    const below = (path: string) => path.replace(request.root, '../..');
    symlinkSync(request.node.startsWith('/') ? request.node : `../../${request.node}`, join(draft, 'node'));
    symlinkSync(below(join(runtime, 'node_modules')), join(draft, 'node_modules'));
    symlinkSync(below(bases), join(draft, 'bases'));
    if (existsSync(join(runtime, 'cuda'))) symlinkSync(below(join(runtime, 'cuda')), join(draft, 'cuda'));
    writeFileSync(join(draft, 'para-agent'), launcher);
    chmodSync(join(draft, 'para-agent'), 0o700);
  });
}

/** Lets `agent/current` point to a version, in one step. */
export function makeCurrent(root: string, version: string): void {
  const { agent } = folders(root);
  const draft = join(agent, `.current-${process.pid}`);
  symlinkSync(version, draft);
  renameSync(draft, join(agent, 'current'));
}

/** Keeps the proxy that the host's programs go through; one with a login is used once and not written down. */
export function keepProxy(root: string, proxy: string | undefined): void {
  const path = join(root, 'proxy');
  if (proxy && !hasLogin(proxy)) writeFileSync(path, `${proxy}\n`, { mode: 0o600 });
  else rmSync(path, { force: true });
}

/** The version that `agent/current` points to. */
export function currentVersion(root: string): string | undefined {
  try {
    return readlinkSync(join(folders(root).agent, 'current'));
  } catch {
    // Nothing is installed yet.
    return undefined;
  }
}
