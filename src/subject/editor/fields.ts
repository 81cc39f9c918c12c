import type { TSchema } from '@sinclair/typebox';
import { layerPresets } from '../../../remote-agent/src/adapters/layers.ts';
import type { Translate } from '../../../remote-agent/src/common/translate.ts';
import { schedulerNames } from '../../../remote-agent/src/diffusion/schedulers/index.ts';
import { SubjectSchema } from '../../../remote-agent/src/subject/schema.ts';
import { methodDefaults } from '../../../remote-agent/src/subject/train-spec.ts';
import type { Field, FieldGroup } from '../../../webview/contract/subject.ts';
import type { SubjectDocument } from '../document.ts';

/** Settings that are shown as pictures, or not at all. */
const elsewhere = new Set(['$schema', 'pictures']);

/** The settings of a subject file as a form, in the order of the schema. */
export function fieldGroups(document: SubjectDocument, bases: readonly string[], t: Translate): FieldGroup[] {
  const titles: Readonly<Record<string, string>> = {
    method: t('Method'),
    training: t('Training'),
    samples: t('Samples'),
    validation: t('Validation'),
    checkpoints: t('Checkpoints'),
  };
  const own: Field[] = [];
  const groups: FieldGroup[] = [];
  for (const [key, schema] of Object.entries(SubjectSchema.properties as Record<string, TSchema>))
    if (schema.type === 'object')
      groups.push({
        label: titles[key] ?? key,
        description: t(schema.description ?? ''),
        fields: Object.entries(schema.properties as Record<string, TSchema>).map(([name, part]) =>
          fieldOf([key, name], part, document, bases, t),
        ),
      });
    else if (!elsewhere.has(key)) own.push(fieldOf([key], schema, document, bases, t));
  // The class and the trigger are what every subject needs; the name follows from the file.
  const first = ['class', 'trigger', 'base'];
  own.sort((a, b) => order(first, a) - order(first, b));
  return [{ label: t('Subject'), description: '', fields: own }, ...groups];
}

const order = (first: readonly string[], { at }: Field) => {
  const place = first.indexOf(at[0]!);
  return place < 0 ? first.length : place;
};

function fieldOf(
  at: string[],
  schema: TSchema,
  document: SubjectDocument,
  bases: readonly string[],
  t: Translate,
): Field {
  const node = document.node(at);
  const value: unknown =
    node && (node.type === 'array' ? (node.children ?? []).map((c) => c.value) : node.value);
  const text = value === undefined ? '' : Array.isArray(value) ? value.join('\n') : String(value);
  const choices = choicesOf(at, schema, bases, text);
  return {
    at,
    label: t(labelOf(at.at(-1)!)),
    description: t(schema.description ?? ''),
    kind: kindOf(schema, value, choices),
    text,
    fallback: fallbackOf(at, schema, document),
    choices,
  };
}

/** "learningRate" as people read it. */
const labelOf = (key: string): string => {
  const words = key.replace(/([A-Z])/g, ' $1').toLowerCase();
  return words.charAt(0).toUpperCase() + words.slice(1);
};

/** Texts of the form that come of the schema, for translators. */
export function schemaTexts(): string[] {
  const texts: string[] = [];
  const add = (properties: Record<string, TSchema>, isGroup: boolean) => {
    for (const [key, schema] of Object.entries(properties)) {
      if (!isGroup && elsewhere.has(key)) continue;
      if (schema.description) texts.push(schema.description);
      if (schema.type === 'object') add(schema.properties as Record<string, TSchema>, true);
      else texts.push(labelOf(key));
    }
  };
  add(SubjectSchema.properties as Record<string, TSchema>, false);
  return texts;
}

const alternatives = (schema: TSchema): TSchema[] => (schema.anyOf as TSchema[] | undefined) ?? [schema];

function kindOf(schema: TSchema, value: unknown, choices: readonly string[]): Field['kind'] {
  if (schema.type === 'boolean') return 'switch';
  if (schema.type === 'array' || Array.isArray(value)) return 'lines';
  return choices.length > 0 ? 'choice' : 'text';
}

function choicesOf(at: readonly string[], schema: TSchema, bases: readonly string[], text: string): string[] {
  const place = at.join('.');
  const open: Readonly<Record<string, readonly string[]>> = {
    base: bases,
    'samples.scheduler': schedulerNames,
    'method.layers': layerPresets,
  };
  const found = open[place];
  if (found) return text === '' || found.includes(text) ? [...found] : [...found, text];
  const parts = alternatives(schema);
  return parts.every((part) => typeof part.const === 'string') ? parts.map((part) => String(part.const)) : [];
}

function fallbackOf(at: readonly string[], schema: TSchema, document: SubjectDocument): string {
  const defaults = methodDefaults[document.method];
  switch (at.join('.')) {
    case 'training.steps':
      return String(defaults.steps);
    case 'training.learningRate':
      return String(defaults.learningRate);
    case 'samples.prompts':
      return document.fallbackCaption;
    case 'method.rank':
      return document.method === 'lora' ? '16' : '';
    default: {
      const value: unknown = schema.default;
      if (value === undefined || value === null) return '';
      return Array.isArray(value) ? value.join('\n') : String(value);
    }
  }
}

/**
 * What a text of the form means as a value of the file: `undefined` where nothing was written.
 * @throws Error with what is wrong, for people
 */
export function valueOfField(at: readonly string[], text: string, t: Translate): unknown {
  const schema = at.reduce<TSchema | undefined>(
    (inner, key) => (inner?.properties as Record<string, TSchema> | undefined)?.[key],
    SubjectSchema,
  );
  if (!schema) throw new Error(t('There is no setting {0}.', at.join('.')));
  if (text.trim() === '') return undefined;
  const parts = alternatives(schema);
  const list = parts.find(({ type }) => type === 'array');
  if (list && (schema.type === 'array' || text.includes('\n')))
    return text
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '')
      .map((line) => scalar([list.items as TSchema], line, t));
  return scalar(parts, text.trim(), t);
}

function scalar(parts: readonly TSchema[], text: string, t: Translate): unknown {
  if (parts.some((part) => part.const === text)) return text;
  const [number] = parts.filter(({ type }) => type === 'number' || type === 'integer');
  if (number) {
    const value = Number(text.replace(',', '.'));
    if (Number.isFinite(value)) return inRange(number, value, t);
    throw new Error(t('"{0}" is not a number.', text));
  }
  if (parts.some(({ type }) => type === 'boolean')) return text === 'true';
  return text;
}

function inRange(schema: TSchema, value: number, t: Translate): number {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, type } = schema as Record<string, number> &
    TSchema;
  const refuse = (message: string) => {
    throw new Error(message);
  };
  if (type === 'integer' && !Number.isInteger(value)) refuse(t('{0} is not a whole number.', value));
  if (minimum !== undefined && value < minimum) refuse(t('At least {0}.', minimum));
  if (maximum !== undefined && value > maximum) refuse(t('At most {0}.', maximum));
  if (exclusiveMinimum !== undefined && value <= exclusiveMinimum) refuse(t('Above {0}.', exclusiveMinimum));
  if (exclusiveMaximum !== undefined && value >= exclusiveMaximum) refuse(t('Below {0}.', exclusiveMaximum));
  return value;
}
