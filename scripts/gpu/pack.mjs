// Packs what `npm run gpu-check` needs on a bare machine (no Node, no network) in parts: Node itself, the programs with the
// small base, the runtime with its CUDA provider, the image library, the Python tools. unpack.sh joins and starts it.
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { bundle, requireLines } from '../bundle.mjs';
import { root } from '../install.mjs';
import { bytesOf, writeParts } from './parts.mjs';
import { binariesOf, makeAgent } from './setup.mjs';
import { slim } from './slim.mjs';

/** The runtime's package for this machine alone. */
function packRuntime(from, modules, architectures) {
  const target = join(modules, 'onnxruntime-node');
  mkdirSync(target, { recursive: true });
  for (const name of ['package.json', 'dist'])
    cpSync(join(from, name), join(target, name), { recursive: true });
  const binaries = binariesOf(from);
  const there = join(target, binaries.slice(from.length + 1));
  cpSync(binaries, there, { recursive: true, dereference: true });
  cpSync(join(dirname(from), 'onnxruntime-common'), join(modules, 'onnxruntime-common'), {
    ...{ recursive: true, dereference: true },
  });
  const cuda = join(there, 'libonnxruntime_providers_cuda.so');
  if (architectures.length > 0 && existsSync(cuda))
    writeFileSync(cuda, slim(readFileSync(cuda), architectures));
}

/** The image library with what it is made of on this machine. */
function packSharp(modules) {
  const own = join(root, 'node_modules');
  for (const name of ['sharp', 'detect-libc', 'semver', '@img/colour']) {
    const to = join(modules, name);
    cpSync(realpathSync(join(own, name)), to, { recursive: true, dereference: true });
  }
  for (const name of readdirSync(join(own, '@img')).filter((n) => n.includes(`linux-${process.arch}`)))
    cpSync(join(own, '@img', name), join(modules, '@img', name), { recursive: true, dereference: true });
}

/**
 * Fills a folder with parts, `parts.sha256` and `unpack.sh`.
 * @param values options: pack, part-size, architecture (compute capabilities whose code the provider keeps), node
 */
export async function pack(values, { folder, row }) {
  const target = resolve(values.pack);
  const most = bytesOf(values['part-size']);
  const architectures = (values.architecture ?? '').split(',').filter(Boolean).map(Number);
  const work = mkdtempSync(join(tmpdir(), 'para-gpu-pack-'));
  try {
    const inside = join(work, 'inside');
    const modules = join(inside, 'agent/node_modules');
    mkdirSync(modules, { recursive: true });
    await makeAgent(join(inside, 'agent'), { link: false });
    packRuntime(join(folder, 'node_modules/onnxruntime-node'), modules, architectures);
    packSharp(modules);
    copyFileSync(values.node ?? process.execPath, join(inside, 'node'));
    chmodSync(join(inside, 'node'), 0o755);
    for (const name of ['bench', 'full-size', 'golden', 'plain', 'templates'])
      cpSync(join(root, 'tools', name), join(inside, 'tools', name), {
        ...{ recursive: true, filter: (path) => !/__pycache__|\.sh$|make\.py$/.test(path) },
      });
    mkdirSync(join(inside, 'examples/dog'), { recursive: true });
    for (const n of [1, 2])
      copyFileSync(join(root, `examples/dog/dog-${n}.png`), join(inside, `examples/dog/dog-${n}.png`));
    await bundle({
      entryPoints: { 'gpu-check': 'scripts/gpu/packed.mjs' },
      outdir: inside,
      outExtension: { '.js': '.mjs' },
      banner: { js: requireLines.join('\n') },
    });
    writeFileSync(
      join(inside, 'pack.json'),
      JSON.stringify({ runtime: row.runtime, cuda: row.cuda, architectures }),
    );
    const { parts, bytes } = writeParts(inside, target, most);
    console.log(
      `${target}: ${parts} parts, ${(bytes / 1e6).toFixed(0)} MB. Bring all of it there, in any order and any number of turns, then: sh unpack.sh`,
    );
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
