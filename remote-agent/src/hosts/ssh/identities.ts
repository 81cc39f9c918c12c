import { existsSync } from 'node:fs';
import type { ParsedKey } from 'ssh2';
import type { Prompter } from '../prompter.ts';
import { agentIdentities } from './agent.ts';
import {
  type Identity,
  identityOf,
  type KeyFile,
  readKeyFile,
  readPublicKey,
  type Unusable,
} from './keys.ts';
import type { HostSettings } from './settings.ts';

/** A key to try: ready, or a file that is opened when its turn comes. */
export type Candidate = () => Promise<Identity | undefined>;

const isSame = (a: ParsedKey, b: ParsedKey) => a.getPublicSSH().equals(b.getPublicSSH());

/**
 * The keys to try, in OpenSSH's order: those of the agent that the settings name, the agent's others (unless
 * IdentitiesOnly), then key files.
 */
export async function candidates(
  settings: HostSettings,
  prompter: Prompter,
): Promise<{ keys: Candidate[]; unusable: Unusable[] }> {
  const held = await agentIdentities(settings.agent);
  const files: KeyFile[] = [];
  const named: ParsedKey[] = [];
  const unusable: Unusable[] = settings.certificateFiles
    .concat(settings.identityFiles.map((file) => `${file}-cert.pub`))
    .filter(existsSync)
    .map((name) => ({ name, why: 'it is a certificate', elsewhere: true }));
  for (const path of settings.identityFiles) {
    const file = readKeyFile(path);
    // The private half may be in the agent alone.
    const publicKey = (file && 'text' in file && file.publicKey) || publicKeyBeside(path);
    if (publicKey) named.push(publicKey);
    if (publicKey && held.some((identity) => isSame(identity.key, publicKey))) continue;
    if (file && 'text' in file) files.push(file);
    else if (file) unusable.push(file);
  }
  const isNamed = (identity: Identity) => named.some((key) => isSame(identity.key, key));
  const first = named.flatMap((key) => held.filter((identity) => isSame(identity.key, key)));
  const rest = settings.identitiesOnly ? [] : held.filter((identity) => !isNamed(identity));
  return {
    keys: [
      ...[...new Set(first), ...rest].map((identity) => async () => identity),
      ...files.map((file) => () => identityOf(file, prompter)),
    ],
    unusable,
  };
}

const publicKeyBeside = (path: string): ParsedKey | undefined =>
  readPublicKey(`${path}.pub`) ?? (path.endsWith('.pub') ? readPublicKey(path) : undefined);
