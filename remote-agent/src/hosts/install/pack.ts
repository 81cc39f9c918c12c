import * as tar from 'tar';

/**
 * Packs files, given by their paths below `folder`. What the machine says of them is left out: uncompressed, the same
 * files give the same bytes everywhere.
 */
export const packFiles = (
  folder: string,
  paths: readonly string[],
  file: string,
  gzip = false,
): Promise<void> =>
  tar.create(
    {
      ...{ cwd: folder, file, gzip, portable: true, mtime: new Date(0) },
      onWriteEntry: ({ stat }: tar.WriteEntry) => {
        stat!.mode = 0o644;
      },
    },
    [...paths],
  );
