// A folder packed in parts of a size, with their hashes and a script that joins and starts it.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { run } from '../install.mjs';

/** Bytes of `60M`, `1G` or a plain number. */
export function bytesOf(size) {
  const [, number, unit] = /^(\d+)([KMG]?)$/i.exec(size) ?? [];
  if (!number || Number(number) === 0) throw new Error(`"${size}" is no size: write 60M, say`);
  return Number(number) * 1024 ** ' KMG'.indexOf((unit || ' ').toUpperCase());
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

const isOurs = (name) => /^(part-\d+|parts\.sha256|unpack\.sh)$/.test(name);

/** Makes room for a pack. @throws Error where a folder holds other things than an earlier one */
function clear(target) {
  const there = existsSync(target) ? readdirSync(target) : [];
  const other = there.find((name) => !isOurs(name));
  if (other) throw new Error(`${target} holds ${other}, which is no part of a pack: name an empty folder`);
  for (const name of there) rmSync(join(target, name));
  mkdirSync(target, { recursive: true });
}

/**
 * Packs what is in the folder `inside` into parts of at most `most` bytes in `target`.
 * @returns how many parts, and their bytes together
 */
export function writeParts(inside, target, most) {
  clear(target);
  const whole = join(target, 'parts.whole');
  const xz = spawnSync('xz', ['--version']).status === 0;
  const compress = xz ? 'xz -T0 -6' : 'gzip -6';
  try {
    run('sh', ['-c', `tar -cf - -C "$1" . | ${compress} > "$2"`, 'sh', inside, whole]);
    const parts = cut(whole, target, most);
    writeFileSync(join(target, 'parts.sha256'), `${parts.join('\n')}\n`);
    writeFileSync(join(target, 'unpack.sh'), unpack(xz), { mode: 0o755 });
    return { parts: parts.length, bytes: statSync(whole).size };
  } finally {
    rmSync(whole, { force: true });
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
if [ "$(cat parts.sha256)" != "$(cat "$into/parts.sha256" 2> /dev/null)" ]; then
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
