import { statSync } from 'node:fs';
import { ParaError } from '../../common/errors.ts';
import type { Prompter } from '../prompter.ts';
import { fingerprintOf, judge, keyTypeOf, knownTypes, readKnownHosts, rememberHost } from './known-hosts.ts';
import type { HostSettings } from './settings.ts';

const known = (settings: HostSettings) =>
  [...settings.userKnownHosts, ...settings.globalKnownHosts].flatMap(readKnownHosts);

/** Algorithms of host keys to ask for, those of keys already known first; never SHA-1 unless the user's own list has it. */
export function hostKeyAlgorithms(settings: HostSettings, supported: readonly string[]): string[] {
  const allowed = settings.algorithms.hostKeys ?? supported.filter((name) => !/^ssh-(rsa|dss)$/.test(name));
  const types = knownTypes(known(settings), settings.knownName);
  const isKnown = (name: string) => types.includes(/^rsa-sha2-/.test(name) ? 'ssh-rsa' : name);
  const usable = supported.filter((name) => allowed.includes(name));
  return [...usable.filter(isKnown), ...usable.filter((name) => !isKnown(name))];
}

/**
 * Lets a connection go on only if the host's key is known, or a person says that it is right; then it is remembered.
 * @throws ParaError `host-key` for a changed or revoked key, `login` for a refused or uncheckable one
 */
export async function checkHostKey(settings: HostSettings, key: Buffer, prompter: Prompter): Promise<void> {
  const { knownName, hostName } = settings;
  const entries = known(settings);
  const shown = `${keyTypeOf(key)} ${fingerprintOf(key)}`;
  let verdict = judge(entries, knownName, key);
  if (verdict.is === 'unknown' && !settings.hasAlias) {
    // As OpenSSH does: what is known for port 22 of the same machine will do, or be refused.
    const there = judge(entries, hostName.toLowerCase(), key);
    if (there.is === 'known' || there.is === 'revoked') verdict = there;
  }
  switch (verdict.is) {
    case 'known':
      return;
    case 'revoked':
      throw new ParaError('host-key', 'The key of this host is marked as revoked', {
        where: `${knownName} shows ${shown}, revoked in ${verdict.by.file}:${verdict.by.line}`,
        hint: 'do not connect; ask whoever runs it',
      });
    case 'changed': {
      const { from } = verdict;
      throw new ParaError(
        'host-key',
        'The host shows another key than the one known: somebody may be in between, or it was set up anew',
        {
          where: `${knownName} shows ${shown}, known is ${from.keyType} ${fingerprintOf(from.key)} (${from.file}:${from.line})`,
          hint: `ask whoever runs it for its fingerprint; only if the one shown is right: ssh-keygen -R "${knownName}" -f "${from.file}"`,
        },
      );
    }
    case 'certified':
      throw new ParaError(
        'login',
        'The key of this host is vouched for by an authority, which is not checked here',
        {
          where: `${knownName}: @cert-authority in ${verdict.by.file}:${verdict.by.line}`,
          hint: 'choose the transport "openssh" for this host',
        },
      );
    case 'unknown':
  }
  const question = { host: knownName, keyType: keyTypeOf(key), fingerprint: fingerprintOf(key) };
  if (settings.neverAsk || !(await prompter.confirmHostKey(question)))
    throw new ParaError('login', 'The key of this host is not known yet', {
      where: `${knownName} shows ${shown}`,
      hint: settings.neverAsk
        ? 'StrictHostKeyChecking is "yes" for this host: add its key to known_hosts by hand'
        : 'connect once in a terminal, compare the fingerprint with the one its owner names, and answer yes',
    });
  const file = settings.userKnownHosts.find(isOrdinary);
  if (file) rememberHost(file, knownName, key, settings.hashKnownHosts);
}

/** Whether something can be kept there: not in /dev/null. */
function isOrdinary(file: string): boolean {
  try {
    return statSync(file).isFile();
  } catch {
    return true; // it is made
  }
}
