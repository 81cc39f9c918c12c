import type { TSchema } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { getNodeValue, type Node } from 'jsonc-parser';
import { layerPresets } from '../../../remote-agent/src/adapters/layers.ts';
import { nearWords } from '../../../remote-agent/src/common/nearest.ts';
import type { Translate } from '../../../remote-agent/src/common/translate.ts';
import { schedulerNames } from '../../../remote-agent/src/diffusion/schedulers/index.ts';
import { contradictions } from '../../../remote-agent/src/subject/contradictions.ts';
import { SubjectSchema } from '../../../remote-agent/src/subject/schema.ts';
import type { Fix, Problem } from '../../platform/problem.ts';
import { setValue } from '../changes.ts';
import { type CheckContext, problemAt, replaceString } from './context.ts';

/** Problems of the settings that a schema cannot tell, and fixes for some that it tells. */
export const settingProblems = (context: CheckContext): Problem[] => [
  ...contradicting(context),
  ...baseProblems(context),
  ...rankProblems(context),
  ...nameProblems(context),
  ...misspelt(context.document.root, SubjectSchema, context.t),
];

function contradicting({ document, t }: CheckContext): Problem[] {
  const value: unknown = document.root && getNodeValue(document.root);
  if (!Value.Check(SubjectSchema, value)) return [];
  return contradictions(value).map(({ at, message, hint }) => {
    const node = document.node(at)!;
    const fix = { title: t('Remove it'), changes: setValue(document.text, at, undefined) };
    return problemAt(node, 'settings', 'error', `${message}: ${hint}.`, { fixes: [fix] });
  });
}

function baseProblems({ document, bases, t }: CheckContext): Problem[] {
  const node = document.node(['base']);
  const base = document.string(['base']);
  // A path is looked up where the run will be.
  if (!node || !base || /[\\/]/.test(base) || bases.length === 0) return [];
  if (bases.some(({ name }) => name === base)) return [];
  const known = bases.map(({ name }) => name);
  const near = nearWords(base, known).slice(0, 3);
  const fixes = (near.length > 0 ? near : known.slice(0, 3)).map((name, i) =>
    replaceString(node, name, t('Use the base "{0}"', name), i === 0),
  );
  const message = t('There is no base "{0}" on this machine or a connected host.', base);
  return [problemAt(node, 'unknown-base', 'warning', message, { fixes })];
}

function rankProblems({ document, facts, t }: CheckContext): Problem[] {
  const node = document.node(['method', 'rank']);
  const rank = document.number(['method', 'rank']);
  const width = facts?.narrowest;
  if (!node || !rank || !width) return [];
  const para = document.method === 'para';
  // PaRa removes at most one fortieth of a layer's output dimensions, at least one.
  const most = para ? Math.max(1, Math.floor(width / 40)) : width;
  if (rank <= most) return [];
  const message = para
    ? t(
        'The narrowest attention layers of {0} give {1} dimensions, of which PaRa removes at most {2}; a rank of {3} is lowered there.',
        document.base,
        width,
        most,
        rank,
      )
    : t(
        'The narrowest attention layers of {0} give {1} dimensions; a rank of {2} is more than they hold.',
        document.base,
        width,
        rank,
      );
  const { offset: start, length } = node;
  const fix = { title: t('Use {0}', most), changes: [{ start, end: start + length, text: String(most) }] };
  return [problemAt(node, 'rank', para ? 'information' : 'warning', message, { fixes: [fix] })];
}

function nameProblems({ document, t }: CheckContext): Problem[] {
  const problems: Problem[] = [];
  const scheduler = document.node(['samples', 'scheduler']);
  if (typeof scheduler?.value === 'string' && !schedulerNames.includes(scheduler.value))
    problems.push(
      problemAt(
        scheduler,
        'scheduler',
        'error',
        t('There is no scheduler "{0}": choose one of {1}.', scheduler.value, schedulerNames.join(', ')),
        { fixes: nearby(scheduler, schedulerNames, t) },
      ),
    );
  const layers = document.node(['method', 'layers']);
  if (
    typeof layers?.value === 'string' &&
    !/[*.{]/.test(layers.value) &&
    !layerPresets.includes(layers.value)
  )
    problems.push(
      problemAt(
        layers,
        'layers',
        'error',
        t(
          '"{0}" is no choice of layers: {1}, or a glob over module paths.',
          layers.value,
          layerPresets.join(', '),
        ),
        { fixes: nearby(layers, layerPresets, t) },
      ),
    );
  return problems;
}

/** The two names that are nearest to a string. */
const nearby = (node: Node, known: readonly string[], t: Translate): Fix[] =>
  nearWords(node.value as string, known)
    .slice(0, 2)
    .map((name) => replaceString(node, name, t('Use "{0}"', name), true));

/** Did-you-mean for keys and choices that the JSON service marks. */
function misspelt(node: Node | undefined, schema: TSchema, t: Translate): Problem[] {
  if (node?.type === 'object') {
    const properties = (schema.properties ?? {}) as Record<string, TSchema>;
    return (node.children ?? []).flatMap(({ children: [key, value] = [] }) => {
      const name = key?.value as string;
      if (key && !Object.hasOwn(properties, name)) return corrections(key, name, Object.keys(properties), t);
      return misspelt(value, properties[name]!, t);
    });
  }
  const choices = ((schema.anyOf ?? []) as TSchema[]).flatMap(({ const: choice }) =>
    typeof choice === 'string' ? [choice] : [],
  );
  if (node?.type !== 'string' || choices.length === 0 || choices.includes(node.value as string)) return [];
  return corrections(node, node.value as string, choices, t);
}

const corrections = (node: Node, word: string, known: readonly string[], t: Translate): Problem[] => [
  {
    ...problemAt(node, 'misspelt', 'warning', ''),
    start: node.offset,
    end: node.offset + node.length,
    shownElsewhere: true,
    fixes: nearWords(word, known)
      .slice(0, 3)
      .map((near, i) => replaceString(node, near, t('Did you mean "{0}"?', near), i === 0)),
  },
];
