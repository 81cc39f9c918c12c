import type { Static, TSchema } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';

/**
 * What one view and the extension say to each other. `requests` go from the view to the extension and are answered;
 * `notices` go the other way and are not. A view that was hidden or loaded again begins with a request, and is told
 * everything anew: no notice is needed to be whole.
 */
export interface Contract {
  readonly requests: Readonly<Record<string, { readonly params: TSchema; readonly result: TSchema }>>;
  readonly notices: Readonly<Record<string, TSchema>>;
}

export type RequestName<C extends Contract> = keyof C['requests'] & string;
export type NoticeName<C extends Contract> = keyof C['notices'] & string;
export type Params<C extends Contract, N extends RequestName<C>> = Static<C['requests'][N]['params']>;
export type Result<C extends Contract, N extends RequestName<C>> = Static<C['requests'][N]['result']>;
export type Notice<C extends Contract, N extends NoticeName<C>> = Static<C['notices'][N]>;

/** One handler for every request: a missing one does not compile. */
export type RequestHandlers<C extends Contract> = {
  readonly [N in RequestName<C>]: (
    params: Params<C, N>,
    signal: AbortSignal,
  ) => Result<C, N> | Promise<Result<C, N>>;
};

/** One handler for every notice: a missing one does not compile. */
export type NoticeHandlers<C extends Contract> = {
  readonly [N in NoticeName<C>]: (params: Notice<C, N>) => void;
};

/** From a view: a request, or that it is no longer wanted. */
export type ToExtension =
  | { readonly id: number; readonly request: string; readonly params: unknown }
  | { readonly cancel: number };

/** To a view: an answer, a failure in words for people, or a notice. */
export type ToView =
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly failure: string; readonly cancelled: boolean }
  | { readonly notice: string; readonly params: unknown };

/** What is wrong with a value, in one line; `undefined` where it fits the schema. Uses no `eval`, as views must not. */
export function problemOf(schema: TSchema, value: unknown): string | undefined {
  if (Value.Check(schema, value)) return undefined;
  const first = Value.Errors(schema, value).First();
  return first ? `${first.path || '/'}: ${first.message}` : 'not of the right type';
}
