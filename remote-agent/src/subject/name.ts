/** The base of a subject that names none: the one that is shipped. */
export const defaultBase = 'pocket-sdxl';

/** What a subject is called: as its file says, else as the file is named. */
export const subjectName = (fileName: string, own?: unknown): string =>
  typeof own === 'string' && own !== '' ? own : fileName.replace(/\.para\.json$|\.json$/, '');
