import { ParaError } from '../../common/errors.ts';
import { printable } from '../../protocol/printable.ts';
import type { HostProfile } from '../profiles.ts';

interface Known {
  /** What `ssh`, ssh2 or the system says. */
  readonly said: RegExp;
  /** `login`, `host-key`: trying again cannot help. */
  readonly code: 'login' | 'host-key' | 'host';
  readonly what: string;
  /** What to do, or what to do about this target. */
  readonly hint: string | ((target: string) => string);
}

/** What connections say when they fail, and what to do. The first that fits is told. */
const table: readonly Known[] = [
  {
    said: /REMOTE HOST IDENTIFICATION HAS CHANGED/,
    code: 'host-key',
    what: 'The host shows another key than the one known: somebody may be in between, or it was set up anew',
    hint: (target) =>
      `ask whoever runs it for its fingerprint; only if the new one is right: ssh-keygen -R, then ssh ${target}`,
  },
  {
    said: /REVOKED HOST KEY|revoked host key/,
    code: 'host-key',
    what: 'The key of this host is marked as revoked',
    hint: 'do not connect; ask whoever runs it',
  },
  {
    said: /Host key verification failed|No .* host key is known/,
    code: 'login',
    what: 'The key of this host is not known yet',
    hint: (target) => `run "ssh ${target}" once in a terminal, compare the fingerprint, answer yes`,
  },
  {
    said: /Too many authentication failures/,
    code: 'login',
    what: 'The host refused the login after too many tries',
    hint: 'name the right key with -i, and set IdentitiesOnly yes for this host',
  },
  {
    said: /UNPROTECTED PRIVATE KEY FILE/,
    code: 'login',
    what: 'Others may read the key file, so it is not used',
    hint: 'chmod 600 on the key file',
  },
  {
    said: /Permission denied|configured authentication methods failed/,
    code: 'login',
    what: 'The host refused the login',
    hint: (target) => `see that "ssh ${target}" works; name the key with -i`,
  },
  {
    said: /Bad owner or permissions on|Bad configuration option|terminating, \d+ bad configuration/,
    code: 'login',
    what: 'The SSH configuration cannot be read',
    hint: (target) => `mend the named file; "ssh ${target}" says the same`,
  },
  {
    said: /no matching |[Uu]nable to negotiate/,
    code: 'login',
    what: 'The host and this client have no way of encryption in common',
    hint: 'choose the transport "openssh" for this host, and allow the old algorithms in ~/.ssh/config if you must',
  },
  {
    said: /Could not resolve hostname|ENOTFOUND|EAI_AGAIN/,
    code: 'host',
    what: 'There is no machine of this name',
    hint: 'check the name, or the VPN',
  },
  {
    said: /Connection refused|ECONNREFUSED/,
    code: 'host',
    what: 'Nothing answers on this port of the host',
    hint: 'check the port; is sshd running?',
  },
  {
    said: /timed out|No route to host|Network is unreachable|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|EADDRNOTAVAIL/,
    code: 'host',
    what: 'The host cannot be reached',
    hint: 'check network, VPN, firewall',
  },
  {
    said: /Session open refused by peer|open failed: administratively|Channel open failure/,
    code: 'host',
    what: 'The host opens no further program on this connection (MaxSessions of its sshd)',
    hint: 'close other connections to it, or have MaxSessions raised',
  },
  {
    said: /ProxyCommand ended/,
    code: 'host',
    what: 'The ProxyCommand of this host failed',
    hint: 'run it by hand; it stands in ~/.ssh/config',
  },
  {
    said: /spawn ssh ENOENT|not found on this/,
    code: 'login',
    what: 'There is no "ssh" program here',
    hint: 'install the OpenSSH client, or choose the transport "ssh2"',
  },
  {
    said: /kex_exchange_identification|Connection lost before|Connection (closed|reset)|ECONNRESET|banner exchange|Broken pipe|EPIPE/,
    code: 'host',
    what: 'The host ended the connection',
    hint: 'is it an SSH port? sshd may be starting, full (MaxStartups), or keep this address out (fail2ban)',
  },
];

/**
 * The end of a connection, or of a program on it that never worked, in words that say what to do.
 * @param code exit code; `null` where there is none
 */
export function hostError(
  { target = '', name }: HostProfile,
  said: string,
  code: number | null,
  cause?: unknown,
): ParaError {
  const text = printable(said.trim()).slice(-600);
  const where = text ? `${name}: ${text}` : name;
  const known = table.find((row) => row.said.test(said));
  if (known) {
    const hint = typeof known.hint === 'string' ? known.hint : known.hint(target);
    return new ParaError(known.code, known.what, { where, hint, cause });
  }
  const how = code === null ? 'lost' : `code ${code}`;
  return new ParaError('host', `The connection to the host ended (${how})`, { where, cause });
}
