import { cpSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { checkout } from './requirements.ts';

/** A folder for one test to work in. */
export interface Workspace {
  /** Its last part is the name that was asked for, so that pictures of windows do not differ by it. */
  readonly folder: string;
  write(path: string, text: string): void;
  remove(): void;
}

/** @param sample one of `examples/`, copied in. */
export function makeWorkspace(name: string, sample?: 'dog' | 'owl' | 'robot' | 'teapot'): Workspace {
  const parent = realpathSync(mkdtempSync(join(tmpdir(), 'para-ws-')));
  const folder = join(parent, name);
  mkdirSync(folder);
  if (sample) cpSync(join(checkout, 'examples', sample), folder, { recursive: true });
  return {
    folder,
    write(path, text) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), text);
    },
    remove: () => rmSync(parent, { recursive: true, force: true }),
  };
}
