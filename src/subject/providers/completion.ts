import { getLocation } from 'jsonc-parser';
import {
  CompletionItem,
  CompletionItemKind,
  type CompletionItemProvider,
  l10n,
  type TextDocument,
} from 'vscode';
import { layerPresets } from '../../../remote-agent/src/adapters/layers.ts';
import { schedulerNames } from '../../../remote-agent/src/diffusion/schedulers/index.ts';
import type { JsonPath } from '../../../remote-agent/src/subject/contradictions.ts';
import { defaultBase } from '../../../remote-agent/src/subject/name.ts';
import { SubjectSchema } from '../../../remote-agent/src/subject/schema.ts';
import { rangeOf } from '../../platform/diagnostics.ts';
import type { SubjectServices } from '../context.ts';
import { defaultTrigger, SubjectDocument } from '../document.ts';
import { isPicture } from '../expand.ts';
import type { Files } from '../files.ts';
import { entryPath, folderOf } from '../paths.ts';
import { rareTrigger } from '../trigger.ts';
import { filesOf } from '../workspace-files.ts';

interface Proposal {
  readonly text: string;
  readonly kind: CompletionItemKind;
  readonly detail?: string;
  /** Another proposal is to follow, as after a folder. */
  readonly goesOn?: boolean;
}

/** Completion of the values that a schema cannot list. */
export const valueCompletion = (services: SubjectServices): CompletionItemProvider => ({
  async provideCompletionItems(document: TextDocument, position) {
    const text = document.getText();
    const offset = document.offsetAt(position);
    const { path, isAtPropertyKey, previousNode } = getLocation(text, offset);
    if (isAtPropertyKey) return [];
    const current =
      previousNode?.type === 'string' && previousNode.offset < offset ? previousNode : undefined;
    const begun = current ? text.slice(current.offset + 1, offset) : '';
    const proposals = await proposalsFor(path, begun, document, services);
    const place = current
      ? { start: current.offset, end: current.offset + current.length }
      : { start: offset, end: offset };
    return proposals.map(({ text: value, kind, detail, goesOn }) => {
      const quoted = JSON.stringify(value);
      const item = new CompletionItem({ label: value, ...(detail ? { description: detail } : {}) }, kind);
      item.insertText = quoted;
      item.filterText = quoted;
      item.range = rangeOf(place, document);
      item.sortText = `0${value}`;
      if (goesOn) item.command = { command: 'editor.action.triggerSuggest', title: '' };
      return item;
    });
  },
});

async function proposalsFor(
  path: JsonPath,
  begun: string,
  document: TextDocument,
  { library, shelf }: SubjectServices,
): Promise<Proposal[]> {
  const place = path.filter((step) => typeof step === 'string').join('.');
  const value = (text: string, detail?: string): Proposal => ({
    text,
    kind: CompletionItemKind.Value,
    ...(detail ? { detail } : {}),
  });
  // The JSON service offers the default itself.
  const others = (names: readonly string[], usual: string) => names.filter((name) => name !== usual);
  switch (place) {
    case 'pictures':
    case 'pictures.file':
    case 'validation.pictures':
      return pictureProposals(begun, folderOf(document.uri.path), filesOf(document.uri));
    case 'base':
      return (await library.bases())
        .filter(({ name }) => name !== defaultBase)
        .map(({ name, directory }) => value(name, directory ? l10n.t('on this machine') : undefined));
    case 'method.layers':
      return others(layerPresets, SubjectSchema.properties.method.properties.layers.default).map((name) =>
        value(name),
      );
    case 'samples.scheduler':
      return others(schedulerNames, SubjectSchema.properties.samples.properties.scheduler.default).map(
        (name) => value(name),
      );
    case 'trigger': {
      const subject = new SubjectDocument(document.getText());
      const counters = (await shelf.facts(subject.base))?.counters ?? [];
      const used = new Set([defaultTrigger]);
      return [value(rareTrigger(counters, used), l10n.t('a rare word'))];
    }
    default:
      return [];
  }
}

async function pictureProposals(begun: string, folder: string, files: Files): Promise<Proposal[]> {
  const parent = begun.replaceAll('\\\\', '/').replace(/[^/]*$/, '');
  const children = await files.list(entryPath(folder, parent || '.'));
  const pictures = children.filter((child) => !child.folder && isPicture(child.name));
  const folders = children.filter((child) => child.folder && !child.name.startsWith('.'));
  const endings = [...new Set(pictures.map(({ name }) => name.slice(name.lastIndexOf('.'))))];
  return [
    ...endings.map((ending) => ({
      text: `${parent}*${ending}`,
      kind: CompletionItemKind.Folder,
      detail: l10n.t('all pictures of this kind'),
    })),
    ...pictures.map(({ name }) => ({ text: `${parent}${name}`, kind: CompletionItemKind.File })),
    ...folders.map(({ name }) => ({
      text: `${parent}${name}/`,
      kind: CompletionItemKind.Folder,
      goesOn: true,
    })),
  ];
}
