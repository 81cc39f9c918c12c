import { readFileSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv';
import { findNodeAtLocation, type ParseError, parse, parseTree, printParseErrorCode } from 'jsonc-parser';
import { ParaError } from '../common/errors.ts';
import { nearWords } from '../common/nearest.ts';
import { contradictions, keyPath } from './contradictions.ts';
import { subjectName } from './name.ts';
import { type SubjectFile, SubjectSchema } from './schema.ts';

/** A validated subject: the file's values, its name and where it lies. */
export interface Subject {
  readonly file: SubjectFile;
  readonly name: string;
  /** Absolute path of the subject file. */
  readonly path: string;
  /** Folder that the pictures' paths start from. */
  readonly directory: string;
}

let compiled: ValidateFunction<SubjectFile> | undefined;

/** Compiled with the first subject: whoever only shows others has no use for it. */
function validator(): ValidateFunction<SubjectFile> {
  compiled ??= new Ajv({ allErrors: true, verbose: true }).compile<SubjectFile>(SubjectSchema);
  return compiled;
}

/** Reads a subject file. @throws ParaError `subject` naming line and column, and the nearest known key */
export function loadSubject(path: string): Subject {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new ParaError('subject', 'The subject file cannot be read', {
      where: path,
      hint: 'check the path',
      cause,
    });
  }
  return parseSubject(text, resolve(path));
}

/** Validates the text of a subject file that lies (or will lie) at `path`. */
export function parseSubject(text: string, path: string): Subject {
  const errors: ParseError[] = [];
  const value: unknown = parse(text, errors, { allowTrailingComma: true });
  const position = (offset: number) => {
    const before = text.slice(0, offset).split('\n');
    return `${path}:${before.length}:${before.at(-1)!.length + 1}`;
  };
  const [first] = errors;
  if (first)
    throw new ParaError('subject', `The subject file is not valid JSON: ${syntaxWords(first.error)}`, {
      where: position(first.offset),
      hint: 'comments are allowed; check commas, quotes and brackets here',
    });
  const validate = validator();
  if (!validate(value)) {
    const tree = parseTree(text, [], { allowTrailingComma: true });
    const error = mostTelling(validate.errors ?? []);
    const steps = error.instancePath
      .split('/')
      .slice(1)
      .map((s) => (/^\d+$/.test(s) ? Number(s) : s));
    const extra = error.keyword === 'additionalProperties' ? [String(error.params.additionalProperty)] : [];
    const node = tree && (findNodeAtLocation(tree, [...steps, ...extra]) ?? findNodeAtLocation(tree, steps));
    throw new ParaError('subject', explain(error), {
      where: position(node?.offset ?? 0),
      hint: advice(error),
    });
  }
  const file = value;
  const [contradiction] = contradictions(file);
  if (contradiction) {
    const { at, message, hint } = contradiction;
    throw new ParaError('settings', message, { where: `${path}, ${keyPath(at)}`, hint });
  }
  return {
    file,
    name: subjectName(basename(path), file.name),
    path,
    directory: dirname(path),
  };
}

/** "CommaExpected" as people say it. */
const syntaxWords = (error: ParseError['error']): string =>
  printParseErrorCode(error)
    .replace(/\B[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)
    .toLowerCase();

const mostTelling = (errors: readonly ErrorObject[]): ErrorObject =>
  errors.find((e) => e.keyword === 'additionalProperties') ??
  errors.find((e) => !['anyOf', 'const', 'type'].includes(e.keyword)) ??
  errors.find((e) => e.keyword === 'type') ??
  errors[0]!;

const keyOf = (error: ErrorObject) => error.instancePath.slice(1).replaceAll('/', '.') || 'the file';

function explain(error: ErrorObject): string {
  const key = keyOf(error);
  if (error.keyword === 'additionalProperties')
    return `Unknown setting "${error.params.additionalProperty}" in ${key}`;
  if (error.keyword === 'required') return `"${error.params.missingProperty}" is missing in ${key}`;
  if (key === 'pictures' && error.keyword === 'minItems') return 'The list of pictures is empty';
  if (key === 'training.minSnrGamma')
    return 'min-SNR gamma must be above 0: zero would silently make every loss zero';
  return `${key} ${error.message ?? 'is not valid'} (it is ${JSON.stringify(error.data)?.slice(0, 60)})`;
}

interface DescribedSchema {
  readonly description?: string;
  readonly properties?: Readonly<Record<string, { readonly description?: string }>>;
}

function advice(error: ErrorObject): string {
  if (error.keyword === 'additionalProperties') {
    const known = Object.keys((error.parentSchema?.properties as object | undefined) ?? {});
    const [near] = nearWords(String(error.params.additionalProperty), known);
    return near ? `did you mean "${near}"?` : `known settings: ${known.join(', ')}`;
  }
  const schema = error.parentSchema as DescribedSchema | undefined;
  const description =
    error.keyword === 'required'
      ? schema?.properties?.[error.params.missingProperty]?.description
      : schema?.description;
  return description ?? 'see docs/training.md for every setting and its range';
}
