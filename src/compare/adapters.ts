import { randomBytes } from 'node:crypto';
import { l10n } from 'vscode';
import { hashFile } from '../../remote-agent/src/common/hash.ts';
import type { ColumnFacts } from '../../webview/contract/compare.ts';
import type { AdapterLibrary, LibraryAdapter } from '../adapters/library.ts';
import { methodName } from '../platform/format.ts';
import { told } from '../platform/told.ts';
import { rankWords, readAdapterHeader } from '../runs/panel/adapter-header.ts';
import { trainingSeconds } from '../runs/panel/run-files.ts';
import type { AppliedFile, ColumnModel, RowModel } from './model.ts';
import { readLine } from './prompt-line.ts';

export const newId = (): string => randomBytes(6).toString('hex');

/** Strengths that make sense: a projection takes nothing away more than once. */
const strengths = { para: { minimum: 0, maximum: 1 }, lora: { minimum: 0, maximum: 2 } };

/** The base alone. */
export const baseColumn = (): ColumnModel => ({
  id: newId(),
  label: l10n.t('Base'),
  method: 'base',
  ...{ strength: 0, minimum: 0, maximum: 0, facts: {} },
});

/** A column of an adapter. @throws ParaError `safetensors` where its file is none */
export async function columnOf(
  adapter: LibraryAdapter,
  strength = 1,
  signal?: AbortSignal,
): Promise<ColumnModel> {
  const method = adapter.method === 'para' ? 'para' : 'lora';
  return {
    id: newId(),
    label: `${adapter.subject ?? adapter.name} · ${methodName(method)}`,
    ...{ method, strength, ...strengths[method] },
    facts: await factsOf(adapter),
    adapter: await appliedFile(adapter, signal),
  };
}

/** An adapter's file by its content. @param signal ends the reading with an `AbortError` */
export const appliedFile = async (
  { name, file, run }: LibraryAdapter,
  signal?: AbortSignal,
): Promise<AppliedFile> => ({
  ...{ name, file, hash: await hashFile(file, signal ? { signal } : {}) },
  ...(run ? { run: { host: run.host, job: run.job, directory: run.directory } } : {}),
});

async function factsOf({ file, bytes, steps, run }: LibraryAdapter): Promise<ColumnFacts> {
  const header = await readAdapterHeader(file, l10n.t);
  const rank = rankWords(header);
  const seconds = run && (await trainingSeconds(run.directory));
  return {
    ...{ parameters: header.parameters, bytes },
    ...(rank === undefined ? {} : { rank }),
    ...(steps === undefined ? {} : { steps }),
    ...(seconds === undefined ? {} : { seconds }),
  };
}

/** A row of a prompt, the adapters that it names found; what it says wrong is its problem. */
export async function rowOf(library: AdapterLibrary, text: string): Promise<Omit<RowModel, 'id' | 'offset'>> {
  try {
    const adapters: Record<string, AppliedFile> = {};
    for (const { name } of readLine(text).adapters) {
      const found = await library.find(name);
      if (!found) return { text, adapters, problem: l10n.t('There is no adapter "{0}".', name) };
      adapters[name] = await appliedFile(found);
    }
    return { text, adapters };
  } catch (cause) {
    return { text, adapters: {}, problem: told((cause as Error).message) };
  }
}
