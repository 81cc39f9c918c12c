// Parameters for requests, from a generator: now of the right types, now not, with names that try to leave their folder.
import { requests } from '../../src/protocol/contract.ts';

interface Schema {
  readonly type?: string;
  readonly const?: unknown;
  readonly anyOf?: readonly Schema[];
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
}

const names = [
  'a',
  'run',
  'x.y',
  '..',
  '.',
  '../evil',
  '../../evil',
  '/etc/passwd',
  'a/b',
  'a\\b',
  '.hidden',
  'con',
  '',
  'a\0b',
  'a\nb',
  '%2e%2e',
  '~',
  '$(id)',
  '\u001b[2J',
  'ü',
  'x'.repeat(300),
  '__proto__',
  'constructor',
];
const oddities: unknown[] = [
  null,
  true,
  -1,
  1.5,
  1e308,
  2 ** 53,
  '',
  'x',
  [],
  {},
  [[[]]],
  { __proto__: 1 },
  'x'.repeat(100_000),
];

/** @returns a value that is mostly of the schema's type */
function makeValue(schema: Schema, random: () => number): unknown {
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!;
  if (random() < 0.04) return pick(oddities);
  if ('const' in schema) return schema.const;
  if (schema.anyOf) return makeValue(pick(schema.anyOf), random);
  switch (schema.type) {
    case 'object':
      return Object.fromEntries([
        ...Object.entries(schema.properties ?? {})
          .filter(([name]) => schema.required?.includes(name) || random() < 0.5)
          .map(([name, member]) => [name, makeValue(member, random)]),
        ...(random() < 0.05 ? [[pick(names), pick(oddities)]] : []),
      ]);
    case 'array':
      return Array.from({ length: Math.floor(random() * 4) }, () => makeValue(schema.items!, random));
    case 'string':
      if (schema.pattern?.includes('0-9a-f]{64}') && random() < 0.9)
        return Array.from({ length: 64 }, () => pick([...'0123456789abcdef'])).join('');
      if (schema.pattern?.startsWith('^#')) return '#ffffff';
      if (schema.pattern?.includes('samples|checkpoints'))
        return pick(['adapter.safetensors', `samples/${pick(names)}`, pick(names)]);
      return random() < 0.5 ? pick(['a', 'run', 'b']) : pick(names);
    case 'integer':
    case 'number': {
      const low = schema.minimum ?? 0;
      return low + Math.floor(random() * (Math.min(schema.maximum ?? 1000, 1000) - low + 1));
    }
    case 'boolean':
      return random() < 0.5;
    default:
      return pick(oddities);
  }
}

export const randomParams = (method: string, random: () => number): unknown =>
  makeValue(requests[method as keyof typeof requests].params as Schema, random);
