// Packs what `npm run gpu-check` needs on a bare machine (no Node, no network) in parts: Node itself, the programs with the
// small base, the runtime with its CUDA provider, the image library, the Python tools. unpack.sh joins and starts it.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { bundle, requireLines } from '../bundle.mjs';
import { root, run } from '../install.mjs';
import { binariesOf, makeAgent } from './setup.mjs';
import { slim } from './slim.mjs';

/** Bytes of `60M`, `1G` or a plain number. */
export function bytesOf(size) {
  const [, number, unit] = /^(\d+)([KMG]?)$/i.exec(size) ?? [];
  if (!number || Number(number) === 0) throw new Error(`"${size}" is no size: write 60M, say`);
  return Number(number) * 1024 ** ' KMG'.indexOf((unit || ' ').toUpperCase());
}

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

/** Cuts a file into parts of at most `most` bytes; their names and hashes. */
function cut(file, folder, most) {
  const { size } = statSync(file);
  const fd = openSync(file, 'r');
  const parts = [];
  for (let at = 0; at < size; at += most) {
    const bytes = Buffer.alloc(Math.min(most, size - at));
    readSync(fd, bytes, 0, bytes.length, at);
    const name = `part-${String(parts.length + 1).padStart(2, '0')}`;
    writeFileSync(join(folder, name), bytes);
    parts.push(`${createHash('sha256').update(bytes).digest('hex')}  ${name}`);
  }
  return parts;
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
    const whole = join(work, 'whole');
    const xz = spawnSync('xz', ['--version']).status === 0;
    const compress = xz ? 'xz -T0 -6' : 'gzip -6';
    run('sh', ['-c', `tar -cf - -C "$1" . | ${compress} > "$2"`, 'sh', inside, whole], { cwd: work });
    rmSync(target, { recursive: true, force: true });
    mkdirSync(target, { recursive: true });
    const parts = cut(whole, target, most);
    writeFileSync(join(target, 'parts.sha256'), `${parts.join('\n')}\n`);
    writeFileSync(join(target, 'unpack.sh'), unpack(xz), { mode: 0o755 });
    const size = (statSync(whole).size / 1e6).toFixed(0);
    console.log(
      `${target}: ${parts.length} parts, ${size} MB. Bring all of it there, in any order and any number of turns, then: sh unpack.sh`,
    );
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** The script that a bare machine runs: tools that every Linux has, and Python where xz is missing. */
const unpack = (xz) => `#!/bin/sh
# Joins the parts beside it when all are there, and starts the check: sh unpack.sh [--only STAGE] [--minutes N] ...
# The folder that it makes (gpu-check, or $PARA_GPU_CHECK) is used again.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
into=\${PARA_GPU_CHECK:-$here/gpu-check}
cd "$here"
if ! cmp -s parts.sha256 "$into/parts.sha256"; then
  missing=
  for part in $(sed 's/^[^ ]*  //' parts.sha256); do [ -f "$part" ] || missing="$missing $part"; done
  if [ -n "$missing" ]; then echo "Still to be brought:$missing"; exit 3; fi
  sha256sum -c --quiet parts.sha256
  rm -rf "$into"
  mkdir -p "$into"
  cat $(sed 's/^[^ ]*  //' parts.sha256) | ${
    xz
      ? `if command -v xz > /dev/null; then xz -dc; else
    python3 -c 'import lzma, shutil, sys; shutil.copyfileobj(lzma.open(sys.stdin.buffer), sys.stdout.buffer)'
  fi`
      : 'gzip -dc'
  } | tar -xf - -C "$into"
  cp parts.sha256 "$into/parts.sha256"
fi
exec "$into/node" "$into/gpu-check.mjs" "$@"
`;
