import type { Static, TSchema } from '@sinclair/typebox';
import { type TypeCheck, TypeCompiler } from '@sinclair/typebox/compiler';

const compiled = new WeakMap<TSchema, TypeCheck<TSchema>>();

/** What is wrong with a value, in one line; `undefined` when it is of the schema's type. */
export function problemOf(schema: TSchema, value: unknown): string | undefined {
  let check = compiled.get(schema);
  if (!check) {
    check = TypeCompiler.Compile(schema);
    compiled.set(schema, check);
  }
  if (check.Check(value)) return undefined;
  const first = check.Errors(value).First();
  return first ? `${first.path || '/'}: ${first.message}` : 'not of the right type';
}

export const isValid = <S extends TSchema>(schema: S, value: unknown): value is Static<S> =>
  problemOf(schema, value) === undefined;
