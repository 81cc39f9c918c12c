import { commands, l10n, Uri, window } from 'vscode';
import { type AdapterArgument, deleteAdapter, exportAdapter, importAdapter } from './adapters/commands.ts';
import { compareCommands } from './compare/commands.ts';
import {
  addHostCommand,
  checkHostCommand,
  chooseAdded,
  chooseAmong,
  chooseTransportCommand,
  installAgentCommand,
  removeHostCommand,
  uninstallAgentCommand,
} from './hosts/commands.ts';
import { importBase } from './hosts/import-base.ts';
import { hostLabel } from './hosts/label.ts';
import { thisMachine } from './hosts/this-machine.ts';
import { type PanelServices, showRun } from './panels.ts';
import type { CommandHandlers } from './platform/commands.ts';
import { noRunOf } from './platform/nothing-yet.ts';
import { withProgress } from './platform/progress.ts';
import {
  continueTraining,
  copyPrompt,
  type RunArgument,
  revealRunFolder,
  stopTraining,
  whichRun,
} from './runs/commands.ts';
import { deleteRun } from './runs/delete.ts';
import { runDiagnostics } from './runs/diagnostics.ts';
import { filterOfSubject } from './runs/history.ts';
import type { RunLogs } from './runs/log-document.ts';
import { continueElsewhere } from './runs/move.ts';
import { subjectOf } from './runs/subject.ts';
import type { SubjectServices } from './subject/context.ts';
import { subjectInFront } from './subject/in-front.ts';
import { subjectEditorType } from './subject/language.ts';
import { newSubject } from './subject/new-subject.ts';
import { copySample, type TrainRequest, trainSubject } from './subject/train.ts';
import { chooseHost } from './subject/where.ts';
import type { Views } from './views.ts';

/** How a command may name a host: by name, by a node of the tree, or not at all. */
type HostArgument = string | { readonly name?: string } | undefined;

const hostName = (argument: HostArgument) => (typeof argument === 'string' ? argument : argument?.name);

/** What every command does; rooms hold how. */
export function commandHandlers(
  services: PanelServices,
  subjects: SubjectServices,
  views: Views,
  logs: RunLogs,
): CommandHandlers {
  const { context, hosts, homecoming, runs, log } = services;
  const added = async (argument: HostArgument, title: string) => {
    const name = hostName(argument);
    // Its agent is a part of the extension: nothing is installed, removed or forgotten here.
    return name === undefined || name === thisMachine ? chooseAdded(context.globalState, title) : name;
  };
  // To look at a host is no choice of where to train.
  const chooseAny = (title: string) => chooseAmong(context.globalState, hosts.list(), title);
  const train = async (request: TrainRequest) => {
    const ids = await trainSubject(services, request);
    if (ids[0]) await commands.executeCommand('para.showRun', ids[0]);
  };
  const openSample = async () => {
    const uri = await copySample(context.extensionUri, context.globalStorageUri);
    await window.showTextDocument(uri);
    return uri;
  };
  return {
    ...compareCommands(services),
    'para.showRun': async (argument?: RunArgument) => {
      const run = await whichRun(services, argument, l10n.t('Show which run?'));
      if (run) await showRun(services, run);
    },
    // The explorer gives what was clicked, and all that is selected.
    'para.newSubject': async (clicked?: Uri, selected?: readonly Uri[]) => {
      const chosen = selected && selected.length > 0 ? selected : clicked ? [clicked] : [];
      const uri = await newSubject(subjects, chosen);
      if (uri) await commands.executeCommand('vscode.openWith', uri, subjectEditorType);
      return uri;
    },
    // Menus hand over more than the file, which names no host.
    'para.trainSubject': (subject?: Uri, host?: unknown) =>
      train({ ...(subject ? { subject } : {}), ...(typeof host === 'string' ? { host } : {}) }),
    'para.openSampleSubject': openSample,
    'para.trainSampleSubject': async () => {
      const subject = await openSample();
      // It is small enough for every machine, and says nothing about where the person trains.
      await train({ subject, ...(hosts.local() ? { host: thisMachine } : {}) });
    },
    'para.continueTraining': (run?: RunArgument) => continueTraining(services, run),
    'para.continueElsewhere': (run?: RunArgument) => continueElsewhere(services, run),
    'para.stopTraining': (run?: RunArgument) => stopTraining(services, run),
    'para.exportAdapter': (adapter?: AdapterArgument) => exportAdapter(services, adapter),
    'para.importAdapter': (uri?: Uri) => importAdapter(services, uri),
    'para.deleteAdapter': (adapter?: AdapterArgument) => deleteAdapter(services, adapter),
    'para.importBase': async (argument?: HostArgument) => {
      const host = hostName(argument) ?? (await chooseHost(services, false));
      if (host) await importBase(hosts, host, context.globalState);
    },
    'para.addHost': () => addHostCommand(services),
    'para.checkHost': async (argument?: HostArgument) => {
      const name = hostName(argument) ?? (await chooseAny(l10n.t('Check which host?')));
      if (name) await checkHostCommand(services, name);
    },
    'para.installAgent': async (argument?: HostArgument) => {
      const name = await added(argument, l10n.t('Install the agent where?'));
      if (name) await installAgentCommand(services, name);
    },
    'para.uninstallAgent': async (argument?: HostArgument) => {
      const name = await added(argument, l10n.t('Uninstall the agent where?'));
      if (name) await uninstallAgentCommand(services, name);
    },
    'para.removeHost': async (argument?: HostArgument) => {
      const name = await added(argument, l10n.t('Remove which host?'));
      if (name) await removeHostCommand(services, name);
    },
    'para.chooseTransport': async (argument?: HostArgument, transport?: unknown) => {
      const name = await added(argument, l10n.t('Choose the SSH client of which host?'));
      // Menus hand over more than the host, which names no client.
      const named = transport === 'ssh2' || transport === 'openssh' ? transport : undefined;
      if (name) await chooseTransportCommand(services, name, named);
    },
    'para.reconnect': async (argument?: HostArgument) => {
      const name = hostName(argument) ?? (await chooseAny(l10n.t('Reconnect to which host?')));
      if (!name) return;
      hosts.disconnect(name);
      homecoming.reconnect(name);
      await withProgress(l10n.t('Connect to {0}', hostLabel(name)), async () => {
        await hosts.session(name);
        await hosts.refresh(name);
      });
    },
    'para.showLog': () => log.show(),
    'para.showRunLog': (run?: RunArgument) => logs.show(run),
    'para.copyPrompt': (run?: RunArgument) => copyPrompt(services, run),
    'para.revealRunFolder': (run?: RunArgument) => revealRunFolder(services, run),
    'para.deleteRun': (run?: RunArgument, all?: readonly RunArgument[]) => deleteRun(services, run, all),
    'para.filterRuns': async () => {
      const filter = await window.showInputBox({
        title: l10n.t('Filter Runs'),
        prompt: l10n.t('Words of subject, method, base, host or state'),
        value: views.runTree.view.filter,
      });
      if (filter !== undefined) await views.showRuns({ filter: filter.trim() });
    },
    'para.showRunsOfSubject': async (subject: Uri) => {
      const name = await subjectOf(subject);
      if (!runs.all().some((run) => run.subject === name)) return noRunOf(name, subject);
      await views.showRuns({ filter: filterOfSubject(name) });
      await commands.executeCommand('para.runs.focus');
    },
    'para.clearRunFilter': () => views.showRuns({ filter: '' }),
    'para.groupRunsBySubject': () => views.showRuns({ groupBy: 'subject' }),
    'para.groupRunsByHost': () => views.showRuns({ groupBy: 'host' }),
    'para.showMoreRuns': (group: string) => views.runTree.showMore(group),
    'para.refresh': async () => {
      await runs.refresh();
      services.library.changed();
      for (const name of hosts.names()) await hosts.refresh(name).catch(() => {});
    },
    'para.runDiagnostics': () => runDiagnostics(services),
    'para.openSubjectEditor': async (uri?: Uri) => {
      const subject = uri ?? subjectInFront();
      if (subject) await commands.executeCommand('vscode.openWith', subject, subjectEditorType);
    },
    'para.openDocumentation': () =>
      commands.executeCommand(
        'markdown.showPreview',
        Uri.joinPath(context.extensionUri, 'docs', 'editor.md'),
      ),
  };
}
