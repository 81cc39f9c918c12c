export function failureTexts(path: string, source: string): string[];
