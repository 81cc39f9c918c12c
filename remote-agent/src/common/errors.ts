/** Codes a caller may branch on; `docs/errors.md` has a row for each. */
export type ErrorCode =
  | 'adapter'
  | 'adapter-base-mismatch'
  | 'agent'
  | 'base'
  | 'blob'
  | 'cancelled'
  | 'checkpoint'
  | 'device'
  | 'disk'
  | 'download'
  | 'exists'
  | 'graph'
  | 'host'
  | 'host-key'
  | 'locked'
  | 'login'
  | 'memory'
  | 'model-file'
  | 'no-gradient'
  | 'not-a-number'
  | 'picture'
  | 'prompt'
  | 'protocol'
  | 'run'
  | 'safetensors'
  | 'settings'
  | 'subject'
  | 'tokenizer';

/**
 * Every failure a user can cause or mend. The message says what is wrong, `where` names the file, node or
 * setting, `hint` says what to do.
 */
export class ParaError extends Error {
  override readonly name = 'ParaError';
  readonly code: ErrorCode;
  readonly where: string | undefined;
  readonly hint: string | undefined;

  constructor(
    code: ErrorCode,
    what: string,
    detail: { where?: string; hint?: string; cause?: unknown } = {},
  ) {
    super(what, detail.cause === undefined ? undefined : { cause: detail.cause });
    this.code = code;
    this.where = detail.where;
    this.hint = detail.hint;
  }

  /** The same failure with other advice, for whoever knows more of what can be done. */
  withHint(hint: string): ParaError {
    return new ParaError(this.code, this.message, {
      ...(this.where === undefined ? {} : { where: this.where }),
      hint,
      cause: this,
    });
  }

  /** The same failure elsewhere, for whoever knows under which name people know the place. */
  withWhere(where: string): ParaError {
    return new ParaError(this.code, this.message, {
      where,
      ...(this.hint === undefined ? {} : { hint: this.hint }),
      cause: this,
    });
  }

  /** One to three lines for a terminal or a log: what, where, what to do. */
  describe(): string {
    const lines = [this.message];
    if (this.where) lines.push(`  where: ${this.where}`);
    if (this.hint) lines.push(`  what to do: ${this.hint}`);
    return lines.join('\n');
  }
}
