import { createHash } from 'node:crypto';
import type { PlainFile, SetupRequest } from './request.ts';

const shortHash = (lines: readonly string[], digits: number): string =>
  createHash('sha256').update(lines.join('\n')).digest('hex').slice(0, digits);

/** The name of the folder of a version: it follows from everything that is in it. */
export const versionName = ({ version, agent, bases, runtime, node }: SetupRequest): string =>
  `${version}-${shortHash([agent.file, bases.file, runtime.name, node], 12)}`;

/** The name of the folder of a runtime: version, row, and what its files are. */
export const runtimeName = (version: string, row: string, files: readonly PlainFile[]): string =>
  `${version}-${row}-${shortHash(
    files.map(({ file, hash }) => `${file} ${hash}`),
    8,
  )}`;

export const basesName = (file: string): string => file.replace(/\.tar$/, '');
