/** What secrets look like in logs and messages; group 1, where there is one, stays. */
const secrets: readonly RegExp[] = [
  /-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|$)/g,
  // user:password@host in an address.
  /(\b[a-z][a-z0-9+.-]{1,20}:\/\/[^\s:/@]{0,200}:)[^\s@/]{1,400}(?=@)/gi,
  /(\b(?:Bearer|Basic)\s+)[A-Za-z0-9._~+/=-]{6,}/gi,
  /\b(?:hf_|ghp_|gho_|github_pat_|glpat-|sk-|xox[abprs]-)[A-Za-z0-9_-]{10,}/g,
  // name=value, "name": "value", --name value.
  /((?:[a-z0-9]{1,40}[_-]){0,4}(?:token|secret|passw(?:or)?d|passphrase|api[_-]?key|access[_-]?key|private[_-]?key|authorization)["']?\s{0,4}[=:]\s{0,4}["']?)[^\s"',;&]{3,}/gi,
  /(--(?:[a-z]{1,20}-){0,3}(?:token|secret|password|passphrase|api-key)\s+)\S+/gi,
];

/** Text without what looks like a secret: tokens, passwords, private keys. For everything that is logged or shown. */
export function redact(text: string): string {
  return secrets.reduce(
    (left, pattern) =>
      left.replace(pattern, (_, kept) => `${typeof kept === 'string' ? kept : ''}[redacted]`),
    text,
  );
}
