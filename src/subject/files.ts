/** Files by their uri path, whatever holds them. */
export interface Files {
  kind(path: string): Promise<'file' | 'folder' | undefined>;
  /** What a folder holds; nothing where there is none. */
  list(path: string): Promise<readonly { readonly name: string; readonly folder: boolean }[]>;
  /** @throws Error when the file cannot be read */
  read(path: string): Promise<Uint8Array>;
  /** Changes when the file does. */
  stamp(path: string): Promise<string>;
}

/** Reads a file as text; `undefined` where there is none. */
export async function readText(files: Files, path: string): Promise<string | undefined> {
  if ((await files.kind(path)) !== 'file') return undefined;
  return new TextDecoder().decode(await files.read(path));
}
