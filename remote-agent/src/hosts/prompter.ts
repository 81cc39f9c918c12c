/** A host whose key is not known yet. */
export interface HostKeyQuestion {
  /** As known_hosts names it: `host` or `[host]:port`. */
  readonly host: string;
  readonly keyType: string;
  /** `SHA256:...` as OpenSSH prints it. */
  readonly fingerprint: string;
}

/** Fields a person fills in: a passphrase, a password, the answers of a keyboard-interactive login. */
export interface SecretQuestion {
  /** Who asks and for what, in one line; text of a server is already made printable. */
  readonly title: string;
  /** What was answered last was wrong. */
  readonly again?: boolean;
  readonly fields: readonly { readonly label: string; readonly echo: boolean }[];
}

/** Who answers what a connection has to ask: the terminal, or the editor. Answers are never written or logged. */
export interface Prompter {
  /** Whether to trust this key from now on. */
  confirmHostKey(question: HostKeyQuestion): Promise<boolean>;
  /** One answer a field; `undefined` to give up. */
  ask(question: SecretQuestion): Promise<readonly string[] | undefined>;
}

/** Where nobody can be asked: every question is answered with no. */
export const nobody: Prompter = {
  confirmHostKey: async () => false,
  ask: async () => undefined,
};
