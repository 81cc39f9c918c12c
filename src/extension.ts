import { commands, type ExtensionContext, ExtensionKind, env, l10n, Uri, window, workspace } from 'vscode';
import { ParaError } from '../remote-agent/src/common/errors.ts';
import { adaptersFolder } from '../remote-agent/src/diffusion/base-places.ts';
import { runsFolder } from '../remote-agent/src/jobs/job.ts';
import { AdapterLibrary } from './adapters/library.ts';
import { AwaitedComparisons } from './compare/awaited.ts';
import { Hosts } from './hosts/hosts.ts';
import { hostLabel } from './hosts/label.ts';
import { EditorPrompter } from './hosts/prompter.ts';
import { localProfile } from './hosts/this-machine.ts';
import { registerLanguages } from './languages.ts';
import { isWatched, restorePanels } from './panels.ts';
import { registerCommands } from './platform/commands.ts';
import { Disposables } from './platform/disposables.ts';
import { Failures } from './platform/failure.ts';
import { once } from './platform/later.ts';
import { redactedLog } from './platform/log.ts';
import { setting } from './platform/settings.ts';
import { loadingTime } from './platform/start-time.ts';
import { emptyTrash } from './platform/trash.ts';
import { remediesOf } from './remedies.ts';
import { tellOfEnds } from './runs/end-notice.ts';
import { Homecoming } from './runs/homecoming.ts';
import { RunLogs } from './runs/log-document.ts';
import { rememberPaces } from './runs/pace.ts';
import { runsInStatusBar } from './runs/status-bar.ts';
import { RunStore } from './runs/store.ts';
import { registerTools } from './tools/tools.ts';
import { registerViews } from './views.ts';

/** Puts the rooms together. */
export function activate(context: ExtensionContext): void {
  const begun = performance.now();
  const owned = new Disposables();
  context.subscriptions.push(owned);
  const log = owned.add(redactedLog(window.createOutputChannel(l10n.t('PaRa Studio'), { log: true })));
  const home = setting('home');
  if (home) process.env.PARA_HOME = home;

  const failures = new Failures(log, (cause) => remediesOf(cause, (about) => hosts.blamed(about)));
  const hosts = owned.add(
    new Hosts(
      () => localProfile(context.extensionPath, setting('nodePath')),
      new EditorPrompter(context.secrets),
      () => {
        if (!workspace.isTrusted)
          throw new ParaError(
            'settings',
            l10n.t('Nothing is trained or drawn in a workspace that is not trusted'),
            {
              hint: l10n.t('trust this workspace first'),
            },
          );
      },
      undefined,
      l10n.t,
    ),
  );
  const folder = runsFolder();
  const runs = owned.add(new RunStore(folder, Uri.joinPath(context.globalStorageUri, 'runs.json').fsPath));
  const homecoming = owned.add(new Homecoming(runs, hosts, (problem) => void failures.show(problem)));
  const library = owned.add(new AdapterLibrary(runs));
  owned.add(tellOfEnds(runs, (run) => isWatched(run) || awaited.tells(run)));
  // Behind what tells of ends, which asks it.
  const awaited = owned.add(new AwaitedComparisons(context.workspaceState, runs, isWatched));
  const rooms = { context, log, failures, hosts, runs, homecoming, library, awaited };
  const languages = owned.add(registerLanguages(rooms));
  const logs = owned.add(new RunLogs(rooms));
  const machine = whichMachine(context);
  const views = owned.add(registerViews(rooms, machine));
  const { subjects } = languages;
  const services = {
    ...rooms,
    hostLabel: (name: string) => hostLabel(name, machine),
    problemsOf: async (uri: Uri) => {
      const { problemsOf } = await import('./subject/support.ts');
      return problemsOf(await workspace.openTextDocument(uri), subjects);
    },
  };
  const handlers = once(async () => {
    const { commandHandlers } = await import('./command-handlers.ts');
    return commandHandlers(services, subjects, views, logs);
  });
  owned.add(registerCommands(handlers, failures));
  owned.add(restorePanels(services));
  owned.add(registerTools(services));
  owned.add(runsInStatusBar(runs));
  owned.add(tellWhetherRuns(runs));
  owned.add(rememberPaces(services));
  // Its queue is another one now.
  owned.add(runs.onEnd(({ host }) => void hosts.refresh(host).catch(() => {})));
  void start();
  log.info(`Started in ${(loadingTime() + performance.now() - begun).toFixed(1)} ms`);

  async function start(): Promise<void> {
    try {
      await runs.start();
      awaited.look();
      await commands.executeCommand('setContext', 'para.runsRead', true);
      for (const place of [folder, adaptersFolder()]) await emptyTrash(place);
    } catch (cause) {
      await commands.executeCommand('setContext', 'para.runsFailed', true);
      await failures.show(cause);
    }
  }
}

/** Lets the manifest go by whether there is a run: the walkthrough, which counts no command before it was opened. */
function tellWhetherRuns(runs: RunStore) {
  let had = false;
  const look = () => {
    const has = runs.all().length > 0;
    if (has !== had) void commands.executeCommand('setContext', 'para.hasRuns', has);
    had = has;
  };
  look();
  return runs.onChange(look);
}

/** Which machine "this machine" is, where the window shows another. */
function whichMachine({ extension }: ExtensionContext): string {
  if (!env.remoteName) return '';
  return extension.extensionKind === ExtensionKind.Workspace
    ? env.remoteName
    : l10n.t('where the editor window is');
}
