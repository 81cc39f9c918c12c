export function bytesOf(size: string): number;
export function writeParts(inside: string, target: string, most: number): { parts: number; bytes: number };
