import type { Problem } from '../../platform/problem.ts';
import { nameOf } from '../paths.ts';
import { isCommon, names, rareTrigger, renamed, withTrigger } from '../trigger.ts';
import { type CheckContext, problemAt, replaceString } from './context.ts';

/** Problems of the trigger and of the captions that should name it. */
export async function wordProblems(context: CheckContext): Promise<Problem[]> {
  return [...(await triggerProblems(context)), ...captionProblems(context)];
}

async function triggerProblems(context: CheckContext): Promise<Problem[]> {
  const { document, facts, t } = context;
  const node = document.node(['trigger']);
  const trigger = document.string(['trigger']);
  if (!node || trigger === undefined || trigger.trim() === '') return [];
  const counters = facts?.counters ?? [];
  const room = facts ? facts.tokens - 2 : Number.POSITIVE_INFINITY;
  const longest = Math.max(0, ...counters.map((counter) => counter.encode(trigger).length));
  const fixes = async () => {
    const rare = rareTrigger(counters, new Set([trigger, document.class.toLowerCase()]));
    return [await renameTrigger(context, trigger, rare)];
  };
  if (longest > room)
    return [
      problemAt(
        node,
        'long-trigger',
        'error',
        t(
          'The trigger is {0} tokens long, and the text encoder of {1} takes {2}.',
          longest,
          document.base,
          room,
        ),
        { fixes: await fixes() },
      ),
    ];
  if (trigger.trim().toLowerCase() === document.class.trim().toLowerCase() || isCommon(trigger, counters))
    return [
      problemAt(
        node,
        'common-trigger',
        'warning',
        t(
          '"{0}" is a word that the base knows already; a rare one does not bring another meaning along.',
          trigger,
        ),
        { fixes: await fixes() },
      ),
    ];
  return [];
}

/** Another trigger everywhere: in the setting, in captions and prompts, and in caption files. */
async function renameTrigger({ document, gallery, files, t }: CheckContext, from: string, to: string) {
  // Where the class itself was the trigger, it stays what it is and gets the new one before it.
  const isClass = from.trim().toLowerCase() === document.class.trim().toLowerCase();
  const other = (text: string) => {
    if (!isClass) return renamed(text, from, to);
    return names(text, to) ? text : withTrigger(text, to, document.class);
  };
  const strings = [
    ...document.pictures.flatMap(({ caption }) => (caption ? [caption.node] : [])),
    ...document.samplePrompts.map(({ node }) => node),
  ];
  const changes = strings
    .filter((node) => names(node.value as string, from))
    .flatMap((node) => replaceString(node, other(node.value as string), '').changes ?? []);
  const setting = replaceString(document.node(['trigger'])!, to, '').changes ?? [];
  const captionFiles = new Set(
    gallery.pictures.flatMap(({ caption }) =>
      caption.source === 'beside' && names(caption.text, from) ? [caption.path!] : [],
    ),
  );
  const rewritten = await Promise.all(
    [...captionFiles].map(async (path) => {
      const text = new TextDecoder().decode(await files.read(path));
      return { path, content: other(text) };
    }),
  );
  return {
    title: t('Use "{0}" instead of "{1}" here and in all captions', to, from),
    changes: [...setting, ...changes],
    files: rewritten,
    preferred: true,
  };
}

function captionProblems({ document, gallery, t }: CheckContext): Problem[] {
  const { trigger } = document;
  const entries = document.pictures;
  const title = t('Add "{0}" to the caption', trigger);
  const inFile = entries.flatMap(({ caption }): Problem[] => {
    if (!caption || names(caption.text, trigger)) return [];
    const fixed = withTrigger(caption.text, trigger, document.class);
    const message = t(
      'The caption does not name the trigger "{0}": the picture teaches nothing about it.',
      trigger,
    );
    return [
      problemAt(caption.node, 'caption-without-trigger', 'warning', message, {
        fixes: [replaceString(caption.node, fixed, title, true)],
      }),
    ];
  });
  const beside = gallery.pictures.flatMap(({ caption, entry, path }): Problem[] => {
    if (caption.path === undefined || names(caption.text, trigger)) return [];
    const message = t('The caption of {0} does not name the trigger "{1}".', nameOf(path), trigger);
    const fixed = withTrigger(caption.text, trigger, document.class);
    const related = { path: caption.path, message: caption.text };
    const fixes =
      caption.source === 'beside'
        ? [{ title, files: [{ path: caption.path, content: `${fixed}\n` }], preferred: true }]
        : [];
    return [
      problemAt(entries[entry]!.node, 'caption-without-trigger', 'warning', message, { fixes, related }),
    ];
  });
  return [...inFile, ...beside];
}
