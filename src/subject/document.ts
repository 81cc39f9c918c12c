import { findNodeAtLocation, type Node, type ParseError, parseTree } from 'jsonc-parser';
import type { JsonPath } from '../../remote-agent/src/subject/contradictions.ts';
import { defaultBase } from '../../remote-agent/src/subject/name.ts';
import type { Spot } from '../prompt/spot.ts';

/** The word that means the subject where the file names none. */
export const defaultTrigger = 'zwx';

/** One entry of `pictures`: a file, folder or glob, and the caption where the file itself holds it. */
export interface Entry {
  readonly at: JsonPath;
  readonly text: string;
  /** The string that names the file. */
  readonly node: Node;
  readonly caption?: { readonly text: string; readonly node: Node };
}

/** A subject file as it is being written: what can be understood of it, whether it is whole or not. */
export class SubjectDocument {
  readonly root: Node | undefined;
  /** Whether it is JSON at all, comments and trailing commas allowed. */
  readonly broken: boolean;

  constructor(readonly text: string) {
    const errors: ParseError[] = [];
    this.root = parseTree(text, errors, { allowTrailingComma: true });
    this.broken = errors.length > 0 || this.root?.type !== 'object';
  }

  node(at: JsonPath): Node | undefined {
    return this.root && findNodeAtLocation(this.root, [...at]);
  }

  /** The string at a place; `undefined` where there is none, or something else. */
  string(at: JsonPath): string | undefined {
    const value: unknown = this.node(at)?.value;
    return typeof value === 'string' ? value : undefined;
  }

  number(at: JsonPath): number | undefined {
    const value: unknown = this.node(at)?.value;
    return typeof value === 'number' ? value : undefined;
  }

  get trigger(): string {
    return this.string(['trigger']) ?? defaultTrigger;
  }

  get class(): string {
    return this.string(['class']) ?? '';
  }

  get base(): string {
    return this.string(['base']) ?? defaultBase;
  }

  get method(): 'para' | 'lora' {
    return this.string(['method', 'name']) === 'lora' ? 'lora' : 'para';
  }

  /** The caption of pictures that have none of their own. */
  get fallbackCaption(): string {
    return `a ${this.trigger} ${this.class}`;
  }

  get pictures(): Entry[] {
    return this.#strings(['pictures']).flatMap(({ at, node }): Entry[] => {
      if (node.type === 'string') return [{ at, node, text: node.value as string }];
      const file = findNodeAtLocation(node, ['file']);
      const caption = findNodeAtLocation(node, ['caption']);
      if (file?.type !== 'string') return [];
      const text = file.value as string;
      if (caption?.type !== 'string') return [{ at, node: file, text }];
      return [{ at, node: file, text, caption: { text: caption.value as string, node: caption } }];
    });
  }

  /** Entries of `validation.pictures`. */
  get heldOut(): Entry[] {
    return this.#strings(['validation', 'pictures']).flatMap(({ at, node }) =>
      node.type === 'string' ? [{ at, node, text: node.value as string }] : [],
    );
  }

  /** Prompts that are drawn during training. */
  get samplePrompts(): readonly { readonly at: JsonPath; readonly node: Node }[] {
    return this.#strings(['samples', 'prompts']).filter(({ node }) => node.type === 'string');
  }

  /** Everything in the file that a text encoder will read. */
  get spots(): Spot[] {
    const captions = this.pictures.flatMap(({ caption }) => (caption ? [caption.node] : []));
    return [...captions, ...this.samplePrompts.map(({ node }) => node)].map((node) =>
      spotOfString(this.text, node),
    );
  }

  #strings(at: JsonPath): { at: JsonPath; node: Node }[] {
    const list = this.node(at);
    if (list?.type !== 'array') return [];
    return (list.children ?? []).map((node, i) => ({ at: [...at, i], node }));
  }
}

/** The text of a JSON string with the place of every UTF-16 unit of it, past escapes. */
export function spotOfString(text: string, { offset, length }: Node): Spot {
  const at: number[] = [];
  let prompt = '';
  const closed = length > 1 && text[offset + length - 1] === '"';
  const end = offset + length - (closed ? 1 : 0);
  for (let i = offset + 1; i < end; ) {
    const whole = /^\\(?:u[0-9a-fA-F]{4}|.)/.exec(text.slice(i, i + 6))?.[0] ?? text[i]!;
    at.push(i);
    prompt += whole.length === 1 ? whole : unescaped(whole);
    i += whole.length;
  }
  return { prompt, at: [...at, end], after: offset + length };
}

function unescaped(sequence: string): string {
  try {
    return JSON.parse(`"${sequence}"`) as string;
  } catch {
    return sequence.slice(1); // no escape that JSON knows: the editor marks it
  }
}
