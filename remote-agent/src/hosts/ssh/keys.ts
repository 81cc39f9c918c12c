import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto';
import { existsSync, readFileSync, statSync } from 'node:fs';
import ssh2, { type ParsedKey } from 'ssh2';
import type { Prompter } from '../prompter.ts';

const { parseKey } = ssh2.utils;

/** A key that may open a host: offered by its public half, asked to sign only when the host would take it. */
export interface Identity {
  readonly name: string;
  readonly key: ParsedKey;
  /** The signature in the form ssh2 expects. @throws when it cannot be made, or the passphrase is not given */
  sign(data: Buffer, hash: string | undefined): Promise<Buffer>;
}

/** A key file as far as it can be read without its passphrase. */
export interface KeyFile {
  readonly name: string;
  /** `undefined`: the file does not say before it is decrypted. */
  readonly publicKey: ParsedKey | undefined;
  readonly isEncrypted: boolean;
  readonly text: Buffer;
}

/** Why a file is no use to this client. */
export interface Unusable {
  readonly name: string;
  readonly why: string;
  /** The system's `ssh` could use it. */
  readonly elsewhere: boolean;
}

const tries = 3;
/** Keys that were opened once in this process, by the hash of their files: a lost link is taken up without a question. */
const opened = new Map<string, ParsedKey>();

/** Reads a key file; `undefined` where there is none. A file that holds only the public half, or has none beside it, is no key. */
export function readKeyFile(path: string): KeyFile | Unusable | undefined {
  if (!existsSync(path)) return undefined;
  const unusable = (why: string, elsewhere = false): Unusable => ({ name: path, why, elsewhere });
  const { mode, uid } = statSync(path);
  if (process.platform !== 'win32' && uid === process.getuid?.() && (mode & 0o077) !== 0)
    return unusable('others may read this key file: chmod 600');
  const text = readFileSync(path);
  const parsed = parse(text);
  if (!(parsed instanceof Error))
    return parsed.isPrivateKey()
      ? { name: path, publicKey: parsed, isEncrypted: false, text }
      : unusable('it holds a public key only');
  const inside = publicPart(text);
  if (inside && /^sk-/.test(inside.type)) return unusable('it is a hardware key', true);
  if (/encrypted|passphrase/i.test(parsed.message) || text.includes('BEGIN ENCRYPTED')) {
    const publicKey = (inside && asKey(inside.blob)) ?? readPublicKey(`${path}.pub`);
    return { name: path, publicKey, isEncrypted: true, text };
  }
  return unusable(parsed.message);
}

/** The key of a `.pub` file. */
export function readPublicKey(path: string): ParsedKey | undefined {
  if (!existsSync(path)) return undefined;
  const key = parseKey(readFileSync(path));
  return key instanceof Error ? undefined : key;
}

function asKey(blob: Buffer): ParsedKey | undefined {
  const key = parseKey(blob);
  return key instanceof Error ? undefined : key;
}

/** The public key in the clear part of OpenSSH's own format. */
function publicPart(text: Buffer): { type: string; blob: Buffer } | undefined {
  const body = /-----BEGIN OPENSSH PRIVATE KEY-----([\s\S]+)-----END/.exec(text.toString('latin1'));
  if (!body) return undefined;
  const bytes = Buffer.from(body[1]!, 'base64');
  let at = 15; // after the magic
  const next = () => {
    if (at + 4 > bytes.length) return Buffer.alloc(0);
    const part = bytes.subarray(at + 4, at + 4 + bytes.readUInt32BE(at));
    at += 4 + part.length;
    return part;
  };
  for (let skipped = 0; skipped < 3; skipped++) next(); // cipher, key derivation, its options
  at += 4; // number of keys
  const blob = next();
  if (blob.length < 8) return undefined;
  return { type: blob.toString('latin1', 4, 4 + blob.readUInt32BE(0)), blob };
}

/** OpenSSH, PEM and PKCS#8 private keys. */
function parse(text: Buffer, passphrase?: string): ParsedKey | Error {
  if (!/-----BEGIN (ENCRYPTED )?PRIVATE KEY-----/.test(text.toString('latin1')))
    return parseKey(text, passphrase);
  let key: KeyObject;
  try {
    key = createPrivateKey({ key: text, ...(passphrase === undefined ? {} : { passphrase }) });
  } catch (cause) {
    return cause as Error;
  }
  if (key.asymmetricKeyType === 'ed25519') return ed25519(key);
  const type = key.asymmetricKeyType === 'rsa' ? 'pkcs1' : 'sec1';
  return parseKey(key.export({ type, format: 'pem' }) as string);
}

/** ssh2 knows ed25519 in OpenSSH's format only: the public half goes to it, the signing is Node's. */
function ed25519(key: KeyObject): ParsedKey | Error {
  const raw = Buffer.from(createPublicKey(key).export({ format: 'jwk' }).x!, 'base64url');
  const field = (bytes: Buffer) => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    return Buffer.concat([length, bytes]);
  };
  const parsed = parseKey(Buffer.concat([field(Buffer.from('ssh-ed25519')), field(raw)]));
  if (parsed instanceof Error) return parsed;
  return Object.assign(parsed, { sign: (data: Buffer) => sign(null, data, key), isPrivateKey: () => true });
}

/**
 * A key file as an identity. Its passphrase is asked for once the host would take the key (or at once where the file
 * does not name its public half), up to three times, and forgotten; the key itself stays in memory.
 * @returns `undefined` when the passphrase is not given
 */
export async function identityOf(file: KeyFile, prompter: Prompter): Promise<Identity | undefined> {
  const hash = createHash('sha256').update(file.text).digest('hex');
  let key = file.isEncrypted ? opened.get(hash) : file.publicKey;
  const open = async (): Promise<ParsedKey | undefined> => {
    for (let attempt = 0; !key && attempt < tries; attempt++) {
      const [passphrase] =
        (await prompter.ask({
          title: `Passphrase for the key ${file.name}`,
          again: attempt > 0,
          fields: [{ label: 'Passphrase', echo: false }],
        })) ?? [];
      if (!passphrase) return undefined;
      const parsed = parse(file.text, passphrase);
      if (parsed instanceof Error) continue;
      key = parsed;
      opened.set(hash, key);
    }
    return key;
  };
  const publicKey = file.publicKey ?? (await open());
  if (!publicKey) return undefined;
  return {
    name: file.name,
    key: publicKey,
    sign: async (data, algorithm) => {
      const ready = await open();
      if (!ready) throw new Error('the passphrase was not given');
      const signature = ready.sign(data, algorithm) as Buffer | Error;
      if (signature instanceof Error) throw signature;
      return signature;
    },
  };
}
