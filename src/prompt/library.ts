import type { Disposable } from 'vscode';

/** A base that a subject or prompt may name. */
export interface KnownBase {
  readonly name: string;
  /** Where its files lie on this machine; without it little can be said about tokens and sizes. */
  readonly directory?: string;
}

/** An adapter that a prompt may name. */
export interface KnownAdapter {
  readonly name: string;
  /** `para`, `lora`. */
  readonly method: string;
  readonly base?: string;
}

/** The bases and adapters there are, here and on the hosts. */
export interface Library {
  bases(): Promise<readonly KnownBase[]>;
  adapters(): Promise<readonly KnownAdapter[]>;
  onDidChange(listener: () => void): Disposable;
}
