import { describe, expect, it } from 'vitest';
import { redact } from '../../src/common/redact.ts';

describe('redacting', () => {
  const secret = 'Zq7xK2mW9pL4vN8b';
  for (const text of [
    `https://ann:${secret}@example.org/x`,
    `socks5://u:${secret}@proxy:1080`,
    `Authorization: Bearer ${secret}`,
    `authorization: Basic ${secret}==`,
    `"token": "${secret}"`,
    `HF_TOKEN=${secret}`,
    `AWS_SECRET_ACCESS_KEY=${secret}`,
    `api-key: ${secret}`,
    `{"password":"${secret}"}`,
    `--token ${secret}`,
    `--registry-password ${secret}`,
    `passphrase = ${secret}`,
    `hf_${secret}`,
    `ghp_${secret}`,
    `-----BEGIN OPENSSH PRIVATE KEY-----\n${secret}\n${secret}\n-----END OPENSSH PRIVATE KEY-----`,
    `-----BEGIN RSA PRIVATE KEY-----\n${secret}`,
  ])
    it(`takes the secret out of ${JSON.stringify(text.replaceAll(secret, '...')).slice(0, 60)}`, () => {
      const left = redact(`before ${text} after`);
      expect(left).not.toContain(secret);
      expect(left).toContain('before ');
      expect(left).toContain('[redacted]');
    });

  it('leaves what is no secret as it is', () => {
    const text =
      'step 12: loss 0.5, token count 77\nError: The disk is full\n  where: /home/ann/.para-studio/runs/a\ntokenizer/merges.txt; 3 tokens per word; https://example.org:8080/a@b ssh -p 4022 ann@host';
    expect(redact(text)).toBe(text);
  });

  it('takes no longer for long texts that look like secrets than in proportion', () => {
    for (const text of [
      'a'.repeat(1e6),
      'token_'.repeat(2e5),
      '://'.repeat(3e5),
      'a:'.repeat(5e5),
      '-----BEGIN '.repeat(1e5),
    ])
      expect(redact(text).length).toBeGreaterThan(0);
  });
});
