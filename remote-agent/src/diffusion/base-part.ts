import { readFileSync } from 'node:fs';
import { createSession, type Session, type SessionOptions } from '../runtime/session.ts';

/** One model file of a base with everything that lies beside it. */
export interface BasePart {
  readonly directory: string;
  /** The `.onnx` file. */
  readonly path: string;
  /** Folder of its external data: `directory`, or that of a checkpoint elsewhere. */
  readonly weights: string;
  /** The `.onnx` file and its external data. */
  readonly files: readonly string[];
}

/** What the runtime loads a part from: its file, or its bytes where the weights are not beside it. */
export const partModel = ({ path, directory, weights }: BasePart): string | Uint8Array =>
  weights === directory ? path : readFileSync(path);

/** Loads a part as it is. @throws ParaError as `createSession` */
export const partSession = (part: BasePart, options: SessionOptions): Promise<Session> =>
  createSession(partModel(part), { ...options, externalDataDirectory: part.weights });
