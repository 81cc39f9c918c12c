export function testHostFolder(): string;
export function testHost(): string | undefined;
