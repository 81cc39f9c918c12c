import { createInterface } from 'node:readline/promises';
import { ParaError } from '../common/errors.ts';
import type { CheckRow } from '../hosts/install/check.ts';
import { checkHost } from '../hosts/install/check-host.ts';
import { installAgent, installChoices } from '../hosts/install/install.ts';
import { openHostPackage } from '../hosts/install/package.ts';
import { type InstallEvent, stepText, wayTexts } from '../hosts/install/steps.ts';
import { uninstallAgent } from '../hosts/install/uninstall.ts';
import {
  addHost,
  defaultRoot,
  findHost,
  type HostProfile,
  type InstallSettings,
  listHosts,
  parseTarget,
  rememberInstall,
  removeHost,
} from '../hosts/profiles.ts';
import { withTransport } from '../hosts/transports/index.ts';
import { withHost } from './host-run.ts';
import { bold, bytes, dim, green, red, say, yellow } from './output.ts';
import { terminalPrompter } from './terminal-prompter.ts';

/** What is said on the command line; `default` as a value is none. */
type SaidSettings = { readonly [name in keyof InstallSettings]?: InstallSettings[name] | 'default' };

/** `para host add NAME [TARGET]`: without a target the name is a Host of `~/.ssh/config`. */
export function hostAddCommand(
  name: string,
  target: string | undefined,
  options: { transport?: HostProfile['transport']; root?: string; replace?: boolean },
): void {
  // What is not said again of a host that is replaced stays.
  const before = options.replace ? listHosts().find((host) => host.name === name) : undefined;
  const transport = options.transport ?? before?.transport ?? 'ssh2';
  const root = (options.root ?? before?.root ?? defaultRoot).replace(/^~\//, '').replace(/(?<=.)\/+$/, '');
  const place =
    transport === 'local'
      ? {}
      : target === undefined && before?.target
        ? { target: before.target, sshArguments: before.sshArguments ?? [] }
        : parseTarget(target ?? name);
  addHost({ name, transport, root, ...place }, options.replace);
  say(`${green('added')} ${name}; next: para host check ${name}, para host install ${name}`);
}

/** `para host list`. */
export function hostListCommand(): void {
  const hosts = listHosts();
  if (hosts.length === 0) say('no hosts yet; add one: para host add NAME user@host');
  for (const { name, transport, target, sshArguments, root, install = {} } of hosts) {
    say(
      `${name.padEnd(16)} ${transport.padEnd(8)} ${[target ?? 'this machine', ...(sshArguments ?? [])].join(' ')}  ${dim(root)}`,
    );
    for (const [setting, value] of Object.entries(install))
      say(`${' '.repeat(26)}${dim(`${setting.replace('npmRegistry', 'npm registry')}: ${value}`)}`);
  }
}

/** How a host is installed: as said now, else as it was said for it before; `default` takes back what was said. */
function installSettings({ install }: HostProfile, said: SaidSettings): InstallSettings {
  const { npmRegistry, pypi, proxy, runtime } = said;
  const now = { npmRegistry, pypi, proxy, runtime };
  const isSaid = ([, value]: [string, unknown]) => value !== undefined;
  const all = { ...install, ...Object.fromEntries(Object.entries(now).filter(isSaid)) };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== 'default'));
}

/** `para host remove NAME`: forgets the host here; what is installed there stays. */
export function hostRemoveCommand(name: string): void {
  removeHost(name);
  say(`${green('removed')} ${name} from the list; what is installed there stays`);
}

const marks = { ok: green('ok'), note: yellow('note'), bad: red('bad') } as const;
const widths = { ok: 2, note: 4, bad: 3 } as const;

function sayRow({ name, state, value, remedy }: CheckRow): void {
  say(`${name.padEnd(12)} ${marks[state]}${' '.repeat(6 - widths[state])} ${value}`);
  if (remedy) say(`${' '.repeat(20)}${dim('what to do:')} ${remedy}`);
}

/** `para host check NAME`: what the host is and what it lacks; returns the exit code. */
export async function hostCheckCommand(name: string, options: SaidSettings): Promise<number> {
  const found = findHost(name);
  const install = installSettings(found, options);
  const profile = { ...found, install };
  const { rows } = await checkHost(profile, openHostPackage(), terminalPrompter);
  say(bold(name));
  rows.forEach(sayRow);
  return rows.some((row) => row.state === 'bad') ? 1 : 0;
}

/** `para host diagnose NAME`: what the agent there says of itself, as JSON. */
export async function hostDiagnoseCommand(name: string): Promise<void> {
  say(JSON.stringify(await withHost(name, (session) => session.call('host/diagnostics', {})), null, 2));
}

/** Options of `para host install`; `fetch` is `false` (`--no-fetch`) where everything goes through this machine. */
export type InstallOptions = SaidSettings & { readonly fetch: boolean };

/** `para host install NAME`. */
export async function hostInstallCommand(name: string, options: InstallOptions): Promise<void> {
  const profile = findHost(name);
  const install = installSettings(profile, options);
  const choices = installChoices(install, options.fetch);
  rememberInstall(name, install);
  const own = openHostPackage();
  const progress = new TransferLines();
  const done = await withTransport(profile, terminalPrompter, (transport) =>
    installAgent(transport, profile, own, choices, (event) => progress.show(event)),
  );
  progress.end();
  say(`${green('installed')} ${done.version} on ${name}`);
  if (done.pruned.length > 0) say(dim(`removed, no longer used: ${done.pruned.join(', ')}`));
  if (done.kept.length > 0) say(`kept for running jobs: ${done.kept.join(', ')}`);
  if (done.device) say(`${yellow('note')} the GPU could not be used: ${done.device}`);
}

const ways = wayTexts();

/** Transfers on a terminal: one line that is redrawn; elsewhere lines now and then. */
class TransferLines {
  #file = '';
  #open = false;
  #said = 0;

  show(event: InstallEvent): void {
    if (event.type === 'step') {
      this.end();
      say(stepText(event));
      return;
    }
    const { way, file, done, total } = event;
    const line = `${ways[way]} ${file}  ${bytes(done)} of ${bytes(total)}`;
    if (process.stdout.isTTY) {
      if (this.#file !== file) this.end();
      process.stdout.write(`\r\u001b[K${line.slice(0, (process.stdout.columns || 80) - 1)}`);
      this.#open = true;
    } else if (this.#file !== file || done === total || Date.now() - this.#said > 5000) {
      say(line);
      this.#said = Date.now();
    }
    this.#file = file;
  }

  end(): void {
    if (this.#open) say();
    this.#open = false;
  }
}

/** `para host uninstall NAME`: asks first where jobs exist; returns the exit code. */
export async function hostUninstallCommand(name: string, options: { yes?: boolean }): Promise<number> {
  const profile = findHost(name);
  return withTransport(profile, terminalPrompter, async (transport) => {
    let answer = await uninstallAgent(transport, profile, options.yes ?? false);
    if (answer.outcome === 'ask') {
      const what = `${answer.jobs} jobs with their results are on ${name}${answer.running > 0 ? `, and programs of it run (${answer.running})` : ''}`;
      if (!process.stdin.isTTY)
        throw new ParaError('host', `${what}: nothing was removed`, {
          hint: `to remove all of it: para host uninstall ${name} --yes`,
        });
      if (!(await confirm(`${what}. Remove everything? [y/N] `))) return 1;
      answer = await uninstallAgent(transport, profile, true);
    }
    if (answer.outcome === 'nothing') say(`nothing was removed: ${answer.why}`);
    else say(`${green('removed')} ${profile.root} on ${name}`);
    return 0;
  });
}

async function confirm(question: string): Promise<boolean> {
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  try {
    return /^y(es)?$/i.test((await terminal.question(question)).trim());
  } finally {
    terminal.close();
  }
}
