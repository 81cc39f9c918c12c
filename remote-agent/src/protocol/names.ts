import { Type } from '@sinclair/typebox';

/** Names that become parts of paths: no separators, no leading dot, nothing a shell or a terminal takes ill. */
const safeName = '^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$';

export const JobId = Type.String({
  pattern: safeName,
  description: 'made by the client, used as folder name',
});
export const RequestId = Type.String({
  pattern: safeName,
  description: 'made by the client, names a long request in its notifications and when it is cancelled',
});
export const BaseName = Type.String({ pattern: safeName, description: 'a base registered on the host' });
export const Sha256 = Type.String({ pattern: '^[0-9a-f]{64}$', description: 'SHA-256 in hex' });

/** A result file of a job, relative to its folder. */
export const JobFile = Type.String({
  pattern: '^(adapter\\.safetensors|(samples|checkpoints)/[A-Za-z0-9][A-Za-z0-9._-]{0,199})$',
  description: 'a file of the job, relative to its folder',
});

/** A file of a base, relative to its folder: at most one folder deep. */
export const BaseFile = Type.String({
  pattern: '^([A-Za-z0-9_][A-Za-z0-9._-]{0,99}/)?[A-Za-z0-9_][A-Za-z0-9._+ ()[\\]-]{0,199}$',
  description: 'a file of a base, relative to its folder',
});

const matcher = (schema: { pattern?: string }) => {
  const pattern = new RegExp(schema.pattern!);
  return (text: string) => pattern.test(text);
};
export const isJobId = matcher(JobId);
export const isSha256 = matcher(Sha256);
export const isJobFile = matcher(JobFile);
export const isBaseFile = matcher(BaseFile);
export const isBaseName = matcher(BaseName);
