// What the host's plain `sh` is asked to do before a Node is there: POSIX only, fixed text, values as arguments.
import { driverTools } from '../../runtime/nvidia-smi.ts';

/**
 * Prints what a host is, as lines `name<TAB>value`. Arguments: root, npm registry, PyPI index (empty: do not try), proxy
 * (empty: as the environment says).
 * A tool that is missing leaves its line out.
 */
export const probeScript = String.raw`
say() { printf '%s\t%s\n' "$1" "$2"; }
has() { command -v "$1" >/dev/null 2>&1; }
root=$1
case $root in /*) ;; *) root=$(pwd -P)/$root ;; esac
say root "$root"
say user "$(id -un 2>/dev/null || id -u)"
say system "$(uname -s)"
say machine "$(uname -m)"
libc=$(getconf GNU_LIBC_VERSION 2>/dev/null)
if [ -z "$libc" ]; then for f in /lib/ld-musl-*; do [ -e "$f" ] && libc=musl; done; fi
say libc "$libc"
for f in /usr/lib64 /lib64 /usr/lib/x86_64-linux-gnu /usr/lib/aarch64-linux-gnu /usr/lib /lib; do
  [ -e "$f/libstdc++.so.6" ] || continue
  if grep -q GLIBCXX_3.4.22 "$f/libstdc++.so.6" 2>/dev/null; then say libstdcxx good; else say libstdcxx old; fi
  break
done
for t in curl wget tar gzip sha512sum nvidia-smi systemd-run; do has $t && say tool $t; done
if has node; then say node "$(command -v node) $(node --version 2>/dev/null)"; fi
for d in "$root"/node/*/bin/node; do [ -x "$d" ] && say own-node "$d $("$d" --version 2>/dev/null)"; done
[ -L "$root/agent/current" ] && say agent "$(readlink "$root/agent/current")"
[ -d "$root/runs" ] && say jobs "$(ls "$root/runs" | wc -l)"
if [ -r /proc/driver/nvidia/version ]; then say driver-file "$(head -n 1 /proc/driver/nvidia/version)"; fi
if [ -e /dev/nvidia0 ]; then
  for f in /proc/driver/nvidia/gpus/*/information; do [ -r "$f" ] && say model "$(grep '^Model:' "$f")"; done
fi
smi=
for f in ${driverTools.join(' ')}; do
  has $f && { smi=$f; break; }
done
if [ -n "$smi" ]; then
  $smi --query-gpu=driver_version,memory.total,memory.free,name --format=csv,noheader,nounits 2>&1 |
    while IFS= read -r line; do say gpu "$line"; done
fi
near=$root
while [ ! -d "$near" ]; do near=$(dirname "$near"); done
say disk "$(df -Pk "$near" | tail -n 1)"
if [ -w "$near" ]; then say writable yes; else say writable no; fi
while read -r name value unit; do
  case $name in MemTotal:) say memory "$value" ;; MemAvailable:) say memory-free "$value" ;; esac
done < /proc/meminfo
if has busctl; then
  manager='org.freedesktop.login1 /org/freedesktop/login1 org.freedesktop.login1.Manager'
  say kills "$(busctl get-property $manager KillUserProcesses 2>/dev/null)"
fi
if has loginctl; then say linger "$(loginctl show-user "$(id -un)" -p Linger --value 2>/dev/null)"; fi
if [ -n "$4" ]; then http_proxy=$4 https_proxy=$4 HTTPS_PROXY=$4; export http_proxy https_proxy HTTPS_PROXY; fi
reach() {
  if has curl; then curl -s -o /dev/null -m 10 -I "$1" && echo yes || echo no
  elif has wget; then wget -q -T 10 -t 1 -O /dev/null --spider "$1"; [ $? -eq 0 ] || [ $? -eq 8 ] && echo yes || echo no
  fi
}
[ -n "$2" ] && say npm "$(reach "$2/sharp")"
[ -n "$3" ] && say pypi "$(reach "$3/nvidia-curand/")"
exit 0
`;

/**
 * Puts a private Node in place. Arguments: root, folder name, file, its size, its SHA-512, URL (empty: only use what
 * was sent), proxy (empty: as the environment says). Prints `progress BYTES`, and at the end one of `have`, `done`,
 * `missing REASON`, `broken REASON`.
 */
export const nodeScript = `
umask 077
root=$1 name=$2 file=$3 size=$4 sum=$5 url=$6
if [ -n "$7" ]; then http_proxy=$7 https_proxy=$7 HTTPS_PROXY=$7; export http_proxy https_proxy HTTPS_PROXY; fi
if [ -x "$root/node/$name/bin/node" ]; then echo have; exit 0; fi
mkdir -p "$root/setup" "$root/node" || { echo "broken cannot write to $root"; exit 0; }
for t in tar gzip sha512sum; do
  command -v $t >/dev/null 2>&1 || { echo "broken the host has no $t"; exit 0; }
done
part=$root/setup/$file.part
born() { cut -d ' ' -f 22 "/proc/$1/stat" 2>/dev/null; }
owner=$root/setup/$file.owner
# The script of a client that was killed notices within a second, and two must not write one file.
tries=0
until (set -C; echo "$$ $(born $$)" > "$owner") 2>/dev/null; do
  read -r pid since < "$owner" || { pid=; since=; }
  if [ -n "$pid" ] && [ "$(born "$pid")" = "$since" ]; then
    echo "progress $(wc -c < "$part" 2>/dev/null || echo 0)" || exit 1
  else
    tries=$((tries + 1))
    [ $tries -lt 5 ] && rm -f "$owner" || { echo "broken cannot write to $root; is the disk full?"; exit 0; }
  fi
  sleep 1
done
trap 'rm -f "$owner"' EXIT
if [ -x "$root/node/$name/bin/node" ]; then echo have; exit 0; fi
bytes() { if [ -f "$part" ]; then wc -c < "$part"; else echo 0; fi; }
if [ "$(bytes)" -gt "$size" ]; then rm -f "$part"; fi
load() {
  if command -v curl >/dev/null 2>&1; then
    exec curl -fsSL --connect-timeout 10 --speed-limit 1 --speed-time 60 -C - -o "$part" "$url"
  fi
  exec wget -q -T 60 -t 1 -c -O "$part" "$url"
}
while [ "$(bytes)" -lt "$size" ]; do
  [ -n "$url" ] || { echo "missing not sent yet"; exit 0; }
  command -v curl >/dev/null 2>&1 || command -v wget >/dev/null 2>&1 ||
    { echo "missing the host has neither curl nor wget"; exit 0; }
  before=$(bytes)
  load &
  loader=$!
  trap 'kill $loader 2>/dev/null; exit 1' HUP INT TERM PIPE
  while kill -0 $loader 2>/dev/null; do
    echo "progress $(bytes)" || { kill $loader; exit 1; }
    sleep 1
  done
  wait $loader || [ "$(bytes)" -gt "$before" ] ||
    { echo "missing the registry does not answer or refuses"; exit 0; }
done
[ "$(bytes)" -eq "$size" ] || { echo "missing it broke off"; exit 0; }
got=$(sha512sum < "$part" | cut -d ' ' -f 1)
if [ "$got" != "$sum" ]; then
  rm -f "$part"
  echo "missing the registry gave other bytes than the lock file names"; exit 0
fi
draft=$root/node/.new-$$
mkdir -p "$draft" && tar -xzf "$part" -C "$draft" package/bin/node package/LICENSE ||
  { rm -rf "$draft"; echo "broken the archive cannot be unpacked; is the disk full?"; exit 0; }
if said=$("$draft/package/bin/node" --version 2>&1); then
  mv "$draft/package" "$root/node/$name" && rmdir "$draft" && rm -f "$part" && echo done
else
  rm -rf "$draft"
  echo "broken Node does not start: $said" | head -n 1
fi
`;

/**
 * Makes the root and marks it as ours. Argument: root. Prints `ready ROOT`, or `taken` for a folder that holds
 * something else: all of it would go when the agent is uninstalled.
 */
export const prepareScript = `
umask 077
root=$1
if [ -d "$root" ] && [ ! -e "$root/.para-host" ] && [ -n "$(ls -A "$root")" ]; then echo taken; exit 0; fi
mkdir -p "$root/setup" && : > "$root/.para-host" && echo "ready $(cd "$root" && pwd -P)"
`;

/**
 * Removes an installation. Arguments: root, "yes" to do it though jobs exist. Prints `jobs N`, `running PID`s, then
 * `removed`, or `kept REASON`. Only a folder with the mark of an installation is removed.
 */
export const uninstallScript = String.raw`
root=$1
case $root in /*) ;; *) root=$(pwd -P)/$root ;; esac
[ -d "$root" ] || { echo "kept nothing is installed in $root"; exit 0; }
root=$(cd "$root" && pwd -P)
case $root in / | "$HOME") echo "kept $root is not a folder of its own"; exit 0 ;; esac
[ -e "$root/.para-host" ] || { echo "kept $root is no folder that an installation made"; exit 0; }
jobs=0
if [ -d "$root/runs" ]; then jobs=$(ls "$root/runs" | wc -l); fi
echo "jobs $jobs"
running() {
  for d in /proc/[0-9]*; do
    if tr '\0' ' ' < "$d/cmdline" 2>/dev/null | grep -qF " $root/agent/"; then basename "$d"; fi
  done
}
pids=$(running)
for p in $pids; do echo "running $p"; done
if [ "$2" != yes ] && { [ "$jobs" -gt 0 ] || [ -n "$pids" ]; }; then echo "kept ask first"; exit 0; fi
if [ -n "$pids" ]; then
  kill $pids 2>/dev/null
  n=0
  while [ -n "$(running)" ] && [ $n -lt 20 ]; do sleep 1; n=$((n + 1)); done
  for p in $(running); do kill -9 "$p"; done
fi
rm -rf -- "$root" && echo removed
`;
