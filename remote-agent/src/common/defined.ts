/** The same without the entries that are `undefined`: types with optional entries allow none that are there and empty. */
export const defined = <T extends object>(values: { [K in keyof T]: T[K] | undefined }): T =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as T;
