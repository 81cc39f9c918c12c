export function textsOfSchema(schema: object): string[];
export function translateSchemas(folder: string): void;
