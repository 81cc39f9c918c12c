import { fstatSync, readSync } from 'node:fs';
import { readingFile } from '../common/files.ts';
import { redact } from '../common/redact.ts';

/** The last bytes of a text file, secrets taken out; a first line that was cut is left out. */
export function endOf(path: string, bytes: number): string {
  return readingFile(path, (fd) => {
    const { size } = fstatSync(fd);
    const buffer = Buffer.alloc(Math.min(bytes, size));
    const text = buffer.toString('utf8', 0, readSync(fd, buffer, 0, buffer.length, size - buffer.length));
    // A secret that was cut in two would not be known for one.
    return redact(buffer.length < size ? text.slice(text.indexOf('\n') + 1) : text);
  });
}
