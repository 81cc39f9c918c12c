export function untranslated(path: string, source: string): string[];
