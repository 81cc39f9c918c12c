export function translateSchemas(folder: string): void;
