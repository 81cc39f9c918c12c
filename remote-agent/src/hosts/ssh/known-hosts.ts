import { createHash, createHmac, randomBytes } from 'node:crypto';
import { appendFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { diskError } from '../../common/files.ts';

/** A line of a known_hosts file. */
export interface KnownHost {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  readonly marker: 'revoked' | 'cert-authority' | undefined;
  /** Patterns separated by commas, or one hashed name. */
  readonly hosts: string;
  readonly keyType: string;
  readonly key: Buffer;
}

/** What the files say about a key that a host shows. */
export type Verdict =
  | { readonly is: 'known' }
  | { readonly is: 'revoked'; readonly by: KnownHost }
  /** Another key stands there for this host. */
  | { readonly is: 'changed'; readonly from: KnownHost }
  /** Keys of this host are vouched for by an authority, which this client cannot check. */
  | { readonly is: 'certified'; readonly by: KnownHost }
  | { readonly is: 'unknown' };

/** The lines of a known_hosts file that hold a key; others, and files that are not there, count as empty. */
export function readKnownHosts(file: string): KnownHost[] {
  if (!existsSync(file)) return [];
  const known: KnownHost[] = [];
  for (const [index, text] of readFileSync(file, 'utf8').split(/\r?\n/).entries()) {
    const words = text.trim().split(/[ \t]+/);
    const marked = /^@(revoked|cert-authority)$/.exec(words[0]!);
    if (marked) words.shift();
    const [hosts, keyType, base64] = words;
    if (!hosts || !keyType || !base64 || /^[@#]/.test(hosts)) continue;
    const key = Buffer.from(base64, 'base64');
    if (keyTypeOf(key) !== keyType) continue;
    known.push({ file, line: index + 1, marker: marked?.[1] as KnownHost['marker'], hosts, keyType, key });
  }
  return known;
}

/** The type that a public key names inside itself; empty for bytes that are no key. */
export function keyTypeOf(key: Buffer): string {
  if (key.length < 4) return '';
  const length = key.readUInt32BE(0);
  return length > 64 || key.length < 4 + length ? '' : key.toString('latin1', 4, 4 + length);
}

/** `SHA256:...` as OpenSSH prints it. */
export const fingerprintOf = (key: Buffer): string =>
  `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`;

/** Whether a line is about the host of this name (`host`, or `[host]:port`). */
export function isAbout({ hosts }: KnownHost, name: string): boolean {
  const hashed = /^\|1\|([^|]+)\|([^|]+)$/.exec(hosts);
  if (hashed)
    return (
      hashName(name, Buffer.from(hashed[1]!, 'base64')) ===
      Buffer.from(hashed[2]!, 'base64').toString('base64')
    );
  let found = false;
  for (const pattern of hosts.split(',')) {
    if (!matches(pattern.replace(/^!/, ''), name)) continue;
    if (pattern.startsWith('!')) return false;
    found = true;
  }
  return found;
}

const hashName = (name: string, salt: Buffer): string =>
  createHmac('sha1', salt).update(name).digest('base64');

/** `*` stands for any characters, `?` for one, everything else for itself; capitals do not count. */
function matches(pattern: string, name: string): boolean {
  const source = pattern
    .toLowerCase()
    .replace(/[\\^$.|+()[\]{}]/g, '\\$&')
    .replace(/\*+/g, '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${source}$`, 's').test(name.toLowerCase());
}

/** Judges a key that the host `name` shows. A revoked key stays so, whatever else is said about it. */
export function judge(known: readonly KnownHost[], name: string, key: Buffer): Verdict {
  const about = known.filter((entry) => isAbout(entry, name));
  const by = about.find((entry) => entry.marker === 'revoked' && entry.key.equals(key));
  if (by) return { is: 'revoked', by };
  const plain = about.filter((entry) => entry.marker === undefined);
  if (plain.some((entry) => entry.key.equals(key))) return { is: 'known' };
  // A key of another type than those known is no less strange: the known ones were asked for first.
  const from = plain.find((entry) => entry.keyType === keyTypeOf(key)) ?? plain[0];
  if (from) return { is: 'changed', from };
  const authority = about.find((entry) => entry.marker === 'cert-authority');
  return authority ? { is: 'certified', by: authority } : { is: 'unknown' };
}

/** Types of the keys known for a host: those to ask it for. */
export const knownTypes = (known: readonly KnownHost[], name: string): string[] => [
  ...new Set(known.filter((e) => e.marker === undefined && isAbout(e, name)).map((e) => e.keyType)),
];

/**
 * Adds a key in one write at the end of the file, which is made where it is missing.
 * @throws ParaError `disk`
 */
export function rememberHost(file: string, name: string, key: Buffer, hashed: boolean): void {
  const salt = randomBytes(20);
  const host = hashed ? `|1|${salt.toString('base64')}|${hashName(name, salt)}` : name;
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    const open = existsSync(file) && !/(^|\n)$/.test(readFileSync(file, 'utf8')) ? '\n' : '';
    appendFileSync(file, `${open}${host} ${keyTypeOf(key)} ${key.toString('base64')}\n`, { mode: 0o600 });
  } catch (cause) {
    throw diskError(cause, file);
  }
}
