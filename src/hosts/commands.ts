import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { env, l10n, type Memento, ThemeIcon, type Uri, window } from 'vscode';
import type { ParaError } from '../../remote-agent/src/common/errors.ts';
import type { CheckRow, Wording } from '../../remote-agent/src/hosts/install/check.ts';
import {
  addHost,
  defaultRoot,
  type HostProfile,
  isHostName,
  listHosts,
  parseTarget,
  removeHost,
  setTransport,
} from '../../remote-agent/src/hosts/profiles.ts';
import type { Transport } from '../../remote-agent/src/hosts/transports/transport.ts';
import { confirmed } from '../platform/confirm.ts';
import { bytes } from '../platform/format.ts';
import { chooseAgain } from '../platform/last-choice.ts';
import { withProgress } from '../platform/progress.ts';
import type { Hosts } from './hosts.ts';
import { hostLabel } from './label.ts';
import { noHostYet } from './no-host.ts';
import { thisMachine } from './this-machine.ts';
import { wantsOpenSsh } from './transport.ts';

/** What the commands of hosts work with. */
export interface HostServices {
  readonly hosts: Hosts;
  readonly context: { readonly extensionUri: Uri };
}

/** Hosts that `~/.ssh/config` names, patterns left out. */
function configuredHosts(): string[] {
  let text: string;
  try {
    text = readFileSync(join(homedir(), '.ssh', 'config'), 'utf8');
  } catch {
    return [];
  }
  const names = [...text.matchAll(/^\s*Host\s+(.+)$/gim)].flatMap(([, words]) => words!.trim().split(/\s+/));
  return [...new Set(names.filter((name) => /^[A-Za-z0-9][\w.-]*$/.test(name)))];
}

/** Asks where a host is, adds it, and checks it. @returns its name; `undefined` where the person gave up */
export async function addHostCommand(services: HostServices): Promise<string | undefined> {
  services.hosts.mayConnect();
  const target = await askTarget();
  if (target === undefined) return undefined;
  const place = parseTarget(target);
  const suggestion = place.target
    .replace(/^.*@/, '')
    .replace(/[^\w.-]+/g, '-')
    .slice(0, 60);
  const taken = listHosts().map(({ name }) => name);
  const name = await window.showInputBox({
    title: l10n.t('Add Host: its name'),
    prompt: l10n.t('What the host is called here'),
    value: taken.includes(suggestion) ? `${suggestion}-2` : suggestion,
    validateInput: (value) => {
      if (!isHostName(value)) return l10n.t('Letters, digits, dots and dashes');
      return taken.includes(value) ? l10n.t('There is a host of this name already') : undefined;
    },
  });
  if (name === undefined) return undefined;
  addHost({ name, transport: 'ssh2', root: defaultRoot, ...place });
  services.hosts.listChanged(name);
  await checkHostCommand(services, name);
  return name;
}

async function askTarget(): Promise<string | undefined> {
  const box = window.createQuickPick();
  box.title = l10n.t('Add Host');
  box.placeholder = l10n.t('user@host, user@host:port, or the ssh command line that a provider shows');
  const known = configuredHosts().map((label) => ({ label, description: '~/.ssh/config' }));
  box.items = known;
  box.onDidChangeValue((value) => {
    box.items = value ? [{ label: value, description: l10n.t('connect to this') }, ...known] : known;
  });
  try {
    return await new Promise((resolve) => {
      box.onDidAccept(() => resolve(box.selectedItems[0]?.label));
      box.onDidHide(() => resolve(undefined));
      box.show();
    });
  } finally {
    box.dispose();
  }
}

/** Chooses one of the hosts that were added. @throws ParaError `host` where there is none */
export async function chooseAdded(memory: Memento, title: string): Promise<string | undefined> {
  return chooseAmong(memory, listHosts(), title);
}

/** Chooses one of these hosts; what there is one of is not asked for. @throws ParaError `host` where there is none */
export async function chooseAmong(
  memory: Memento,
  hosts: readonly HostProfile[],
  title: string,
): Promise<string | undefined> {
  if (hosts.length === 0) throw noHostYet();
  if (hosts.length === 1) return hosts[0]!.name;
  const items = hosts.map(({ name, target }) => ({
    ...{ id: name, label: hostLabel(name), description: target ?? '' },
    iconPath: new ThemeIcon(name === thisMachine ? 'device-desktop' : 'server'),
  }));
  return (await chooseAgain(memory, 'para.lastAddedHost', items, { title }))?.id;
}

/** Works on a connection of its own; SSH is loaded with the first. */
async function withTransport<T>(
  { hosts }: HostServices,
  profile: HostProfile,
  work: (transport: Transport) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  hosts.mayConnect();
  const transports = await import('../../remote-agent/src/hosts/transports/index.ts');
  try {
    return await transports.withTransport(profile, hosts.prompter, work, signal);
  } catch (cause) {
    hosts.blame(cause, profile.name);
    throw cause;
  }
}

async function hostPackage({ context }: HostServices) {
  const { openHostPackage } = await import('../../remote-agent/src/hosts/install/package.ts');
  return openHostPackage(join(context.extensionUri.fsPath, 'remote-agent', 'dist', 'host'));
}

/** What a check of a host names as ways out, where people have an editor before them. */
const wording: Wording = {
  t: l10n.t,
  install: (host) => l10n.t('choose "Install the agent on {0}" above', host),
  root: l10n.t('"root" in hosts.json'),
  mirrors: l10n.t('"install" in hosts.json'),
};

/**
 * Shows what a host is and what it lacks, and offers the next step.
 * @throws ParaError `host-key`: that is no finding among others
 */
export async function checkHostCommand(services: HostServices, name: string): Promise<void> {
  const profile = services.hosts.profile(name);
  if (name === thisMachine) {
    await withProgress(l10n.t('Check {0}', hostLabel(name)), async () => {
      await services.hosts.session(name);
      await services.hosts.refresh(name);
    });
    const { facts } = services.hosts.status(name);
    if (facts)
      void window.showInformationMessage(
        l10n.t(
          'This machine can train: {0}, {1} cores, {2} of memory free, {3} of disk free.',
          facts.cpuModel,
          facts.cpus,
          bytes(facts.freeMemoryBytes),
          bytes(facts.diskFreeBytes),
        ),
      );
    return;
  }
  const { rows, failure } = await withProgress(l10n.t('Check {0}', name), async ({ signal }) => {
    services.hosts.mayConnect();
    const { checkHost } = await import('../../remote-agent/src/hosts/install/check-host.ts');
    return checkHost(profile, await hostPackage(services), services.hosts.prompter, { signal, wording });
  });
  if (failure?.code === 'host-key') throw failure;
  await showRows(services, profile, rows, failure);
}

/**
 * Reaches a host by another SSH client from now on, and tries it.
 * @param transport asked for where it is not given
 */
export async function chooseTransportCommand(
  services: HostServices,
  name: string,
  transport?: 'ssh2' | 'openssh',
): Promise<void> {
  const now = services.hosts.profile(name).transport;
  const items = [
    {
      label: l10n.t('The client of this extension'),
      detail: l10n.t('Asks for keys, passwords and second factors in the editor'),
      transport: 'ssh2' as const,
    },
    {
      label: l10n.t("The system's ssh"),
      detail: l10n.t('Everything that your SSH configuration can say; needs OpenSSH on this machine'),
      transport: 'openssh' as const,
    },
  ].map((item) => ({ ...item, description: item.transport === now ? l10n.t('as it is now') : '' }));
  const chosen =
    transport ?? (await window.showQuickPick(items, { title: l10n.t('Connect to {0} by', name) }))?.transport;
  if (!chosen) return;
  setTransport(name, chosen);
  services.hosts.listChanged(name);
  await checkHostCommand(services, name);
}

const marks = { ok: 'pass', note: 'info', bad: 'error' } as const;

async function showRows(
  services: HostServices,
  profile: HostProfile,
  rows: readonly CheckRow[],
  failure: ParaError | undefined,
): Promise<void> {
  const { name } = profile;
  const install = l10n.t('Install the agent on {0}', name);
  const otherClient = l10n.t("Connect to {0} by the system's ssh", name);
  const items = [
    ...(wantsOpenSsh(profile, failure)
      ? [{ label: otherClient, iconPath: new ThemeIcon('terminal'), description: '', detail: '' }]
      : []),
    ...(rows.some(({ state }) => state === 'bad') && rows.length < 5
      ? []
      : [{ label: install, iconPath: new ThemeIcon('cloud-download'), description: '', detail: '' }]),
    ...rows.map((row) => ({
      label: row.name,
      iconPath: new ThemeIcon(marks[row.state]),
      description: row.value,
      detail: row.remedy ? l10n.t('What to do: {0}', row.remedy) : '',
    })),
  ];
  const chosen = await window.showQuickPick(items, {
    title: l10n.t('Check of {0}', name),
    placeHolder: l10n.t('Choose a row to copy it'),
    ignoreFocusOut: true,
  });
  if (chosen?.label === install) await installAgentCommand(services, name);
  else if (chosen?.label === otherClient) await chooseTransportCommand(services, name, 'openssh');
  else if (chosen) await env.clipboard.writeText(`${chosen.label}: ${chosen.description} ${chosen.detail}`);
}

/** Puts the agent on a host, or brings it up to date. */
export async function installAgentCommand(services: HostServices, name: string): Promise<void> {
  const profile = services.hosts.profile(name);
  const done = await withProgress(l10n.t('Install the agent on {0}', name), async (work) => {
    const { installAgent, installChoices } = await import('../../remote-agent/src/hosts/install/install.ts');
    const { stepText, wayTexts } = await import('../../remote-agent/src/hosts/install/steps.ts');
    const own = await hostPackage(services);
    const ways = wayTexts(l10n.t);
    // Mirrors, proxy and runtime that were said once in a terminal hold here too.
    const choices = installChoices(profile.install ?? {});
    // An installation that is cut off leaves what was there, and goes on from here when it is repeated.
    return withTransport(
      services,
      profile,
      (transport) =>
        installAgent(transport, profile, own, choices, (event) =>
          work.report(
            event.type === 'step'
              ? stepText(event, l10n.t)
              : `${ways[event.way]} ${event.file}: ${bytes(event.done)} / ${bytes(event.total)}`,
          ),
        ),
      work.signal,
    );
  });
  services.hosts.disconnect(name);
  await services.hosts.session(name);
  void services.hosts.refresh(name).catch(() => {});
  if (done.device)
    void window.showWarningMessage(l10n.t('{0}: the GPU could not be used: {1}', name, done.device));
  else void window.showInformationMessage(l10n.t('The agent {0} is installed on {1}.', done.version, name));
}

/** Removes everything of ours from a host, after asking. */
export async function uninstallAgentCommand(services: HostServices, name: string): Promise<void> {
  const profile = services.hosts.profile(name);
  const detail = l10n.t('The folder {0} there is removed, and nothing else.', profile.root);
  if (!(await confirmed(l10n.t('Remove the agent from {0}?', name), detail, l10n.t('Uninstall')))) return;
  const { uninstallAgent } = await import('../../remote-agent/src/hosts/install/uninstall.ts');
  services.hosts.disconnect(name);
  const remove = (withJobs: boolean) =>
    withProgress(l10n.t('Remove the agent from {0}', name), ({ signal }) =>
      withTransport(services, profile, (transport) => uninstallAgent(transport, profile, withJobs), signal),
    );
  let answer = await remove(false);
  if (answer.outcome === 'ask') {
    const { jobs, running } = answer;
    // Without jobs all that runs is an agent, as that of the connection that was just closed: nothing is lost.
    const goOn =
      jobs === 0 ||
      (await confirmed(
        l10n.t('{0} jobs with their results are on {1}, {2} programs run.', jobs, name, running),
        l10n.t('What came home stays in the history here.'),
        l10n.t('Remove Jobs Too'),
      ));
    if (!goOn) return;
    answer = await remove(true);
  }
  void window.showInformationMessage(
    answer.outcome === 'nothing'
      ? l10n.t('Nothing was removed: {0}', answer.why)
      : l10n.t('The agent is removed from {0}.', name),
  );
}

/** Forgets a host here; what is installed there stays. */
export async function removeHostCommand({ hosts }: HostServices, name: string): Promise<void> {
  const detail = l10n.t('What is installed there, and its jobs, stay there.');
  if (!(await confirmed(l10n.t('Forget the host {0}?', name), detail, l10n.t('Remove')))) return;
  removeHost(name);
  hosts.listChanged(name);
}
