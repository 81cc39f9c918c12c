import type { TSchema } from '@sinclair/typebox';
import { describe, expect, it } from 'vitest';
import { SubjectSchema } from '../../src/subject/schema.ts';

/** Numbers that nobody tunes: where randomness begins, and what the optimiser's own paper says. */
const settled = ['seed', 'beta1', 'beta2', 'epsilon'];

const isNumber = ({ type, anyOf = [] }: TSchema): boolean =>
  type === 'number' || type === 'integer' || (anyOf as TSchema[]).some(isNumber);

describe('a subject file', () => {
  it('is told of every number that may be tuned which values are usual', () => {
    const groups = Object.values(SubjectSchema.properties).filter(({ type }: TSchema) => type === 'object');
    const silent = (groups as TSchema[]).flatMap(({ properties }) =>
      Object.entries(properties as Record<string, TSchema>)
        .filter(([name, schema]) => isNumber(schema) && !settled.includes(name))
        .filter(([, { description = '' }]) => !/\bUsual: /.test(description))
        .map(([name]) => name),
    );
    expect(silent).toEqual([]);
  });
});
