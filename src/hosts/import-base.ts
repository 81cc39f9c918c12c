import { basename } from 'node:path';
import { l10n, type Memento, window } from 'vscode';
import { ParaError } from '../../remote-agent/src/common/errors.ts';
import { baseNameOf } from '../../remote-agent/src/diffusion/base-places.ts';
import type { HostBaseSource, HostImportProgress } from '../../remote-agent/src/hosts/remote-bases.ts';
import { isBaseName } from '../../remote-agent/src/protocol/names.ts';
import { bytes } from '../platform/format.ts';
import { chooseAgain } from '../platform/last-choice.ts';
import { withProgress } from '../platform/progress.ts';
import { setting } from '../platform/settings.ts';
import type { Hosts } from './hosts.ts';
import { basesOf, rememberBases } from './known-bases.ts';
import { thisMachine } from './this-machine.ts';

interface Chosen {
  readonly source: HostBaseSource;
  readonly name: string;
}

/** Brings a base model to a host: from here, from a folder there, from an address, or from a hub of models. */
export async function importBase(hosts: Hosts, host: string, memory: Memento): Promise<void> {
  hosts.mayConnect();
  const chosen = await chooseSource(host, memory);
  if (!chosen) return;
  const name = await window.showInputBox({
    title: l10n.t('Import Base Model: its name'),
    value: chosen.name.replace(/[^\w.-]+/g, '-').slice(0, 100),
    validateInput: (value) => (isBaseName(value) ? undefined : l10n.t('Letters, digits, dots and dashes')),
  });
  if (name === undefined) return;
  const base = await withProgress(l10n.t('Import {0}', name), async (work) => {
    const session = await hosts.session(host);
    const phases = phaseTexts();
    const { importBaseOnHost } = await import('../../remote-agent/src/hosts/remote-bases.ts');
    return importBaseOnHost(
      session,
      chosen.source,
      ({ phase, file, doneBytes, totalBytes }) =>
        work.report(
          `${phases[phase]}${file ? ` ${file}` : ''}: ${bytes(doneBytes)}${totalBytes ? ` / ${bytes(totalBytes)}` : ''}`,
          totalBytes ? doneBytes / totalBytes : undefined,
        ),
      { name, signal: work.signal },
    );
  });
  const known = basesOf(memory, host);
  if (known) await rememberBases(memory, host, [...new Set([...known, base.name])]);
  void window.showInformationMessage(l10n.t('The base {0} is ready ({1}).', base.name, bytes(base.bytes)));
}

/** What goes on while a base is imported. */
const phaseTexts = (): Record<HostImportProgress['phase'], string> => ({
  reading: l10n.t('reading'),
  sending: l10n.t('sending'),
  listing: l10n.t('listing'),
  downloading: l10n.t('downloading'),
  unpacking: l10n.t('unpacking'),
  placing: l10n.t('placing'),
  checking: l10n.t('checking'),
});

async function chooseSource(host: string, memory: Memento): Promise<Chosen | undefined> {
  const isHere = host === thisMachine;
  const kinds = [
    { label: l10n.t('A checkpoint on this machine (.safetensors)'), way: 'file' as const },
    { label: l10n.t('A folder on this machine'), way: 'folder' as const },
    ...(isHere ? [] : [{ label: l10n.t('A checkpoint or folder on {0}', host), way: 'path' as const }]),
    { label: l10n.t('A hub of models: owner/name'), way: 'hub' as const },
    { label: l10n.t('A checkpoint or archive at an address, or its page on a hub'), way: 'url' as const },
  ];
  const chosen = await chooseAgain(
    memory,
    'para.lastBaseSource',
    kinds.map((kind) => ({ ...kind, id: kind.way })),
    { title: l10n.t('Import Base Model: from where?') },
  );
  switch (chosen?.way) {
    case 'file':
    case 'folder': {
      const isFolder = chosen.way === 'folder';
      const [found] =
        (await window.showOpenDialog({
          title: isFolder ? l10n.t('Folder of a base: ONNX or diffusers') : l10n.t('Checkpoint in one file'),
          canSelectFolders: isFolder,
          canSelectFiles: !isFolder,
          ...(isFolder ? {} : { filters: { safetensors: ['safetensors'] } }),
        })) ?? [];
      if (!found) return undefined;
      if (found.scheme !== 'file')
        throw new ParaError('base', l10n.t('This is not on the machine that the extension runs on'), {
          where: found.path,
          hint: l10n.t(
            'choose one of its files or folders; what lies on a host is imported by its path there',
          ),
        });
      // The agent of this machine reads it itself.
      const source: HostBaseSource = { kind: isHere ? 'path' : 'here', path: found.fsPath };
      return { source, name: baseNameOf(found.fsPath) };
    }
    case 'path': {
      const path = await ask(
        l10n.t('Checkpoint or folder on {0}', host),
        '/data/models/my-sdxl.safetensors',
        /^\//,
      );
      return path === undefined ? undefined : { source: { kind: 'path', path }, name: baseNameOf(path) };
    }
    case 'hub': {
      const repository = await ask(l10n.t('Model of the hub'), 'owner/name', /^[\w.-]+\/[\w.-]+$/);
      if (repository === undefined) return undefined;
      const token = await window.showInputBox({
        title: l10n.t('Token, where the hub wants one'),
        prompt: l10n.t('Sent to the hub alone, and not kept'),
        password: true,
      });
      if (token === undefined) return undefined;
      const endpoint = setting('hubEndpoint');
      const source: HostBaseSource = {
        kind: 'hub',
        repository,
        ...(endpoint ? { endpoint } : {}),
        ...(token ? { token } : {}),
      };
      return { source, name: basename(repository) };
    }
    case 'url': {
      const url = await ask(
        l10n.t('Address of a .safetensors, .zip, .tar or .tar.gz'),
        'https://example.org/my-sdxl.safetensors',
        /^https?:\/\/[\w.-]+(:\d+)?\/./,
      );
      if (url === undefined) return undefined;
      return {
        source: { kind: 'url', url },
        name: basename(new URL(url).pathname).replace(/\.\w+(\.gz)?$/, ''),
      };
    }
    default:
      return undefined;
  }
}

function ask(title: string, placeHolder: string, pattern: RegExp): Thenable<string | undefined> {
  return window.showInputBox({
    title,
    placeHolder,
    validateInput: (value) => (pattern.test(value) ? undefined : l10n.t('For example: {0}', placeHolder)),
  });
}
