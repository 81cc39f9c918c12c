import { readFileSync } from 'node:fs';
import { rootCertificates } from 'node:tls';

/** Where systems keep the certificate authorities that their administrator trusts: Debian, RHEL, SUSE. */
const systemAuthorities = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
];

/** Node's own authorities and the system's: networks that look into TLS have one of their own there. */
export function authorities(): string[] {
  const { SSL_CERT_FILE, NODE_EXTRA_CA_CERTS } = process.env;
  const files = [SSL_CERT_FILE, NODE_EXTRA_CA_CERTS, ...systemAuthorities];
  const found = files.flatMap((file) => {
    try {
      return file ? [readFileSync(file, 'utf8')] : [];
    } catch {
      return []; // another system's, or one that may not be read
    }
  });
  return [...rootCertificates, ...found];
}
