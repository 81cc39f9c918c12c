import { ParaError } from '../common/errors.ts';
import type { Failure } from '../protocol/contract.ts';

/** What a client is told of an error; unexpected ones say no more than their message. */
export function toFailure(cause: unknown): Failure {
  if (!(cause instanceof ParaError))
    return { code: 'host', what: `Unexpected: ${cause instanceof Error ? cause.message : String(cause)}` };
  const { code, message, where, hint } = cause;
  return { code, what: message, ...(where ? { where } : {}), ...(hint ? { hint } : {}) };
}
