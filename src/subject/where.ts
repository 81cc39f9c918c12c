import { commands, l10n, type QuickPickOptions, ThemeIcon, type Uri, window } from 'vscode';
import { hostLabel } from '../hosts/label.ts';
import { noHostYet } from '../hosts/no-host.ts';
import { thisMachine } from '../hosts/this-machine.ts';
import { bytes } from '../platform/format.ts';
import { stopTraining } from '../runs/commands.ts';
import { isActive } from '../runs/run.ts';
import type { Services } from '../runs/services.ts';
import { usualHost } from './usual-host.ts';

type Asking = Pick<Services, 'context' | 'hosts'>;

/** Where the last choice is kept: of this workspace, and of the person. */
const lastHost = 'para.lastHost';

/** Where work went last: in this workspace, and anywhere. */
export const lastHosts = ({ workspaceState, globalState }: Services['context']): (string | undefined)[] =>
  [workspaceState, globalState].map((store) => store.get<string>(lastHost));

/**
 * Where to train or draw. A choice is remembered in this workspace, and for those where none was made yet.
 * @param quiet ask nothing where there is an answer
 * @param options how the question is asked
 * @returns `undefined` where the person gave up
 */
export async function chooseHost(
  { context, hosts }: Asking,
  quiet: boolean,
  options: Partial<QuickPickOptions> = {},
): Promise<string | undefined> {
  const names = hosts.names();
  if (names.length === 0) throw noHostYet();
  const usual = usualHost(names, lastHosts(context));
  if (names.length === 1 || (quiet && usual)) return usual;
  names.sort((a, b) => Number(b === usual) - Number(a === usual));
  const items = names.map((name) => {
    const { facts } = hosts.status(name);
    const gpu = facts?.gpus[0];
    return {
      label: hostLabel(name),
      description: name === thisMachine ? l10n.t('no host needed') : (hosts.profile(name).target ?? ''),
      detail: gpu ? `${gpu.name}, ${bytes(gpu.memoryBytes)}` : (facts?.cpuModel ?? ''),
      iconPath: new ThemeIcon(name === thisMachine ? 'device-desktop' : 'server'),
      name,
    };
  });
  const chosen = (await window.showQuickPick(items, { title: l10n.t('Where?'), ...options }))?.name;
  if (chosen)
    for (const store of [context.workspaceState, context.globalState]) await store.update(lastHost, chosen);
  return chosen;
}

/** What was started without a question where. */
interface Started {
  readonly uri: Uri;
  readonly name: string;
  readonly host: string;
  readonly ids: readonly string[];
  /** What it will take, in words. */
  readonly cost: string;
}

/** Says where a subject is trained when nobody was asked, and lets it be trained elsewhere instead. */
export function offerElsewhere(services: Services, { uri, name, host, ids, cost }: Started): void {
  if (services.hosts.names().length < 2) return;
  const change = async () => {
    const elsewhere = l10n.t('Train Elsewhere...');
    const text = l10n.t('{0} is trained on {1}. {2}.', name, hostLabel(host), cost);
    if ((await window.showInformationMessage(text, elsewhere)) !== elsewhere) return;
    // The panel of the run that was started opens about now, and takes the focus.
    const other = await chooseHost(services, false, { ignoreFocusOut: true });
    if (!other || other === host) return;
    for (const id of ids) {
      const run = services.runs.get(id);
      if (run && isActive(run)) await stopTraining(services, id);
    }
    await commands.executeCommand('para.trainSubject', uri, other);
  };
  change().catch((cause) => services.failures.show(cause));
}
