import { existsSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { l10n, Uri, window, workspace } from 'vscode';
import { ParaError } from '../../remote-agent/src/common/errors.ts';
import { makeFolder } from '../../remote-agent/src/common/files.ts';
import { adaptersFolder } from '../../remote-agent/src/diffusion/base-places.ts';
import { thisMachine } from '../hosts/this-machine.ts';
import { methodName } from '../platform/format.ts';
import { chooseAgain, chooseSeveralAgain } from '../platform/last-choice.ts';
import { noAdapterYet } from '../platform/nothing-yet.ts';
import { withProgress } from '../platform/progress.ts';
import { reveal } from '../platform/reveal.ts';
import { setting } from '../platform/settings.ts';
import { forget, putAway, takeBack } from '../platform/trash.ts';
import { offerUndo } from '../platform/undo.ts';
import type { Services } from '../runs/services.ts';
import type { ExportHow } from './export-place.ts';
import type { AdapterLibrary, LibraryAdapter } from './library.ts';

export interface AdapterServices extends Services {
  readonly library: AdapterLibrary;
}

/** What a choice of adapters needs: those there are, and where the last one is kept. */
export type Choosing = Pick<AdapterServices, 'context' | 'library'>;

/** How a command may name an adapter: one of the library, a run's id or node, a file, or not at all. */
export type AdapterArgument = LibraryAdapter | string | { readonly id?: string } | Uri | undefined;

/** The adapter that a command is about; asked for where nothing says it. */
export async function whichAdapter(
  { context, library }: Choosing,
  argument: AdapterArgument,
  title: string,
  fits: (adapter: LibraryAdapter) => boolean = () => true,
  /** Said where there are adapters, and none that fits. */
  none = '',
): Promise<LibraryAdapter | undefined> {
  if (argument instanceof Uri) {
    const all = await library.all();
    return all.find(({ file }) => file === argument.fsPath);
  }
  if (typeof argument === 'object' && 'file' in argument) return argument;
  const name = typeof argument === 'string' ? argument : argument?.id;
  if (name !== undefined) {
    const found = await library.find(name);
    if (found) return found;
    throw new ParaError('adapter', l10n.t('This run has kept no adapter yet'), {
      where: name,
      hint: l10n.t(
        'it has one when it is finished or stopped, and before that where its checkpoints keep one',
      ),
    });
  }
  const all = await library.all();
  const fitting = all.filter(fits);
  if (all.length > 0 && fitting.length === 0) {
    void window.showInformationMessage(none);
    return undefined;
  }
  return (await choose(context, fitting, title, false))?.[0];
}

/** Lets a person choose adapters of the library, as they were chosen last. */
export const chooseAdapters = async ({ context, library }: Choosing, title: string) =>
  choose(context, await library.all(), title, true);

async function choose(
  context: Choosing['context'],
  all: readonly LibraryAdapter[],
  title: string,
  several: boolean,
): Promise<LibraryAdapter[] | undefined> {
  if (all.length === 0) {
    noAdapterYet();
    return undefined;
  }
  // Nothing to choose between.
  if (!several && all.length === 1) return [...all];
  const items = all.map(adapterItem);
  const how = { title, matchOnDescription: true, matchOnDetail: true };
  const memory = context.globalState;
  if (!several) {
    const chosen = await chooseAgain(memory, 'para.lastAdapter', items, how);
    return chosen && [chosen.adapter];
  }
  const chosen = await chooseSeveralAgain(memory, 'para.lastCompared', items, how);
  return chosen?.map(({ adapter }) => adapter);
}

/** An adapter as an entry of a quick pick. */
export const adapterItem = (adapter: LibraryAdapter) => ({
  id: adapter.file,
  label: adapter.subject ?? adapter.name,
  description: [
    methodName(adapter.method),
    adapter.steps === undefined ? '' : l10n.t('{0} steps', adapter.steps),
    adapter.base ?? '',
  ]
    .filter(Boolean)
    .join(' · '),
  detail: adapter.name,
  adapter,
});

type Layout = {
  readonly label: string;
  readonly detail: string;
  readonly how?: ExportHow;
  readonly suffix: string;
};

const layouts = (method: string): Layout[] => {
  const as = method === 'para' ? ({ as: 'lora' } as const) : {};
  return [
    {
      label: l10n.t('ComfyUI, A1111, Forge'),
      detail: l10n.t('One LoRA file in kohya layout'),
      how: { format: 'kohya', ...as },
      suffix: '.safetensors',
    },
    {
      label: l10n.t('diffusers'),
      detail: l10n.t('One LoRA file for load_lora_weights'),
      how: { format: 'diffusers', ...as },
      suffix: '-diffusers.safetensors',
    },
    {
      label: l10n.t('PEFT'),
      detail: l10n.t('A folder with adapter_config.json'),
      how: { format: 'peft', ...as },
      suffix: '-peft',
    },
    {
      label: l10n.t('PaRa Studio'),
      detail: l10n.t('The adapter file as it is, for this extension and the para command'),
      suffix: '.safetensors',
    },
  ];
};

/** Writes an adapter for another tool, straight into its folder where that is set. */
export async function exportAdapter(services: AdapterServices, argument: AdapterArgument): Promise<void> {
  const adapter = await whichAdapter(services, argument, l10n.t('Export which adapter?'));
  if (!adapter) return;
  const layout = await chooseAgain(
    services.context.globalState,
    'para.lastLayout',
    layouts(adapter.method).map((one) => ({ ...one, id: one.how?.format ?? 'own' })),
    { title: l10n.t('Export {0} for which tool?', adapter.subject ?? adapter.name), matchOnDetail: true },
  );
  if (!layout) return;
  const target = await exportTarget(adapter, layout);
  if (!target) return;
  const { how } = layout;
  if (how)
    await withProgress(l10n.t('Export {0}', adapter.subject ?? adapter.name), ({ signal }) =>
      writeLayout(services, adapter, how, target, signal),
    );
  else
    await withProgress(l10n.t('Export {0}', adapter.subject ?? adapter.name), async () =>
      workspace.fs.copy(Uri.file(adapter.file), target, { overwrite: true }),
    );
  const name = target.scheme === 'file' ? target.fsPath : target.path;
  const text =
    layout.how?.as === 'lora'
      ? l10n.t('Wrote {0}. It is exact on the base {1} only.', name, adapter.base ?? '?')
      : l10n.t('Wrote {0}.', name);
  // Files elsewhere are not this machine's to show.
  const ways = target.scheme === 'file' ? [l10n.t('Reveal')] : [];
  void window.showInformationMessage(text, ...ways).then((answer) => {
    if (answer) void reveal(target.fsPath);
  });
}

async function exportTarget(adapter: LibraryAdapter, layout: Layout): Promise<Uri | undefined> {
  const stem = (adapter.subject ?? adapter.name).replace(/[^\w.-]+/g, '_');
  const name = `${stem}-${adapter.method}${layout.suffix}`;
  const folder = setting('exportFolder');
  if (folder && layout.how?.format === 'kohya') {
    let path = join(folder, name);
    for (let n = 2; existsSync(path); n++) path = join(folder, name.replace(/(\.\w+)$/, `-${n}$1`));
    return Uri.file(path);
  }
  const first = workspace.workspaceFolders?.find(({ uri }) => uri.scheme === 'file')?.uri;
  return window.showSaveDialog({
    title: l10n.t('Export Adapter'),
    defaultUri: first ? Uri.joinPath(first, name) : Uri.file(join(adapter.file, '..', name)),
    ...(layout.suffix.endsWith('.safetensors') ? { filters: { Safetensors: ['safetensors'] } } : {}),
  });
}

async function writeLayout(
  { hosts }: AdapterServices,
  adapter: LibraryAdapter,
  how: ExportHow,
  target: Uri,
  signal: AbortSignal,
): Promise<void> {
  const { exportSomewhere } = await import('./export-place.ts');
  const files = await exportSomewhere(hosts, adapter, how, l10n.t, signal);
  signal.throwIfAborted();
  // The dialog may have named a place on another machine, and asked already whether to replace a file.
  for (const [name, bytes] of files)
    await workspace.fs.writeFile(name === '' ? target : Uri.joinPath(target, name), bytes);
}

/** Takes adapter files into the library; each is understood first. */
export async function importAdapter(services: AdapterServices, uri?: Uri): Promise<void> {
  const chosen =
    uri instanceof Uri
      ? [uri]
      : await window.showOpenDialog({
          title: l10n.t('Import Adapter'),
          openLabel: l10n.t('Import'),
          canSelectMany: true,
          filters: { Safetensors: ['safetensors'] },
        });
  if (!chosen?.length) return;
  await withProgress(l10n.t('Import adapters'), async ({ signal }) => {
    const session = await services.hosts.session(thisMachine);
    const { putAdapter } = await import('../../remote-agent/src/hosts/remote-adapters.ts');
    makeFolder(adaptersFolder());
    for (const from of chosen) {
      signal.throwIfAborted();
      const target = join(adaptersFolder(), posix.basename(from.path));
      if (existsSync(target))
        throw new ParaError('exists', l10n.t('There is an adapter of this name already'), {
          where: target,
          hint: l10n.t('rename the file first'),
        });
      // It may lie on another machine; nobody sees it in the library before it is understood.
      const copy = `${target}.part`;
      try {
        await workspace.fs.copy(from, Uri.file(copy), { overwrite: true });
        const shown = from.scheme === 'file' ? from.fsPath : from.path;
        await putAdapter(session, copy, posix.basename(from.path, '.safetensors'), shown);
        signal.throwIfAborted();
        await rename(copy, target);
      } finally {
        await rm(copy, { force: true });
      }
    }
  });
  services.library.changed();
}

/** Takes an imported file out of the library; runs are deleted in the history. */
export async function deleteAdapter(services: AdapterServices, argument: AdapterArgument): Promise<void> {
  const adapter = await whichAdapter(
    services,
    argument,
    l10n.t('Delete which adapter?'),
    ({ run }) => !run,
    l10n.t('All adapters are results of runs: delete the run in the history.'),
  );
  if (!adapter) return;
  if (adapter.run)
    throw new ParaError('adapter', l10n.t('This adapter is the result of a run'), {
      where: adapter.name,
      hint: l10n.t('delete the run in the history'),
    });
  const file = await putAway(adapter.file);
  services.library.changed();
  offerUndo(
    l10n.t('Deleted the adapter {0}.', adapter.name),
    {
      takeBack: async () => {
        if (existsSync(file.path))
          throw new ParaError('exists', l10n.t('There is an adapter of this name already'), {
            where: file.path,
            hint: l10n.t('the deleted one is in {0}', file.trash),
          });
        await takeBack(file);
        services.library.changed();
      },
      forget: () => forget(file),
    },
    services.failures,
  );
}
