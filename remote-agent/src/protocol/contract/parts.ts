import { type TSchema, Type } from '@sinclair/typebox';

/** One request: what goes in, what comes out, what it is for; `repeatable`: sent twice, it does no more than once. */
export interface Request {
  readonly params: TSchema;
  readonly result: TSchema;
  readonly about: string;
  readonly repeatable: boolean;
}

/** Requests by name. */
export type Requests = Record<string, Request>;

/** Params are closed: an unknown member is an error. Results are open: a newer agent may say more. */
export const closed = { additionalProperties: false } as const;
export const Count = Type.Integer({ minimum: 0 });
export const Text = Type.String({ maxLength: 100_000 });
export const Nothing = Type.Object({}, closed);
