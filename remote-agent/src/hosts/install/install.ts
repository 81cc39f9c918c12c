import { join } from 'node:path';
import { type ErrorCode, ParaError } from '../../common/errors.ts';
import { printable } from '../../protocol/printable.ts';
import { isValid } from '../../protocol/validate.ts';
import { hasLogin, type InstallSettings } from '../profiles.ts';
import type { Transport } from '../transports/transport.ts';
import { fetchToCache, slimFor } from './cache.ts';
import { type HostArch, nodeFile, type RuntimeRow } from './lock.ts';
import { type HostPackage, partPath } from './package.ts';
import { chooseNode, nodeName, planSetup, requireInstallable } from './plan.ts';
import { probeHost } from './probe.ts';
import { findRegistries, npmUrl } from './registries.ts';
import {
  type PlainFile,
  type Registries,
  type RegistryFile,
  SetupMessage,
  type SetupRequest,
} from './request.ts';
import { nodeScript, prepareScript } from './scripts.ts';
import { readLines, runScript, sendFile } from './shell.ts';
import type { InstallEvent } from './steps.ts';

/** How an installation goes about it. */
export interface InstallChoices {
  readonly registries: Registries;
  /** Whether the host may fetch for itself; else everything goes through this machine. */
  readonly fetch: boolean;
  /** The runtime; default: by the host's GPU and driver. */
  readonly row?: RuntimeRow;
}

/** Choices by what was said for a host: its mirrors, proxy and runtime. @throws ParaError `settings` for what is no URL */
export const installChoices = (said: InstallSettings, fetch = true): InstallChoices => ({
  registries: findRegistries(said),
  fetch,
  ...(said.runtime ? { row: said.runtime } : {}),
});

export type Installed = Extract<SetupMessage, { type: 'installed' }>;

/** One installation on one host. */
interface Work {
  readonly transport: Transport;
  readonly name: string;
  readonly own: HostPackage;
  readonly choices: InstallChoices;
  readonly root: string;
  readonly arch: HostArch;
  readonly report: (event: InstallEvent) => void;
}

/**
 * Installs this program's agent on a host, or brings it up to date. Cut off at any point, it leaves the version that
 * was there; repeated, it goes on from there.
 * @param root folder on the host, absolute or relative to the home there
 * @throws ParaError `host`, `locked`, `disk`
 */
export async function installAgent(
  transport: Transport,
  host: { readonly name: string; readonly root: string },
  own: HostPackage,
  choices: InstallChoices,
  report: (event: InstallEvent) => void,
): Promise<Installed> {
  const probe = await probeHost(transport, host.root);
  const arch = requireInstallable(probe, host.name);
  const root = await prepare(transport, probe.root, host.name);
  const work: Work = { transport, name: host.name, own, choices, root, arch, report };
  if (chooseNode(probe, arch, own.lock).bring) await bringNode(work);
  await sendFile(
    transport,
    { ...own.setup, path: join(own.folder, own.setup.file) },
    setupPath(work),
    () => {},
  );
  return setUp(work, planSetup({ ...probe, root }, arch, own, choices));
}

const setupPath = ({ root, own }: Work) => `${root}/setup/${own.setup.file}`;

async function prepare(transport: Transport, root: string, name: string): Promise<string> {
  let answer = '';
  const { errors } = await runScript(transport, prepareScript, [root], (line) => {
    answer = line;
  });
  if (answer.startsWith('ready /')) return answer.slice('ready '.length);
  throw answer === 'taken'
    ? new ParaError('host', 'The folder on the host holds something else', {
        where: `${name}: ${root}`,
        hint: 'choose an empty or new one: para host add NAME TARGET --root DIR',
      })
    : new ParaError('host', 'The folder on the host cannot be made', {
        where: `${name}: ${printable(errors)}`,
      });
}

/** Sends a file to the host, where the set-up takes it once its hash is right. */
async function send({ transport, root, report }: Work, path: string, file: { file: string; size: number }) {
  await sendFile(transport, { path, size: file.size }, `${root}/setup/${file.file}.part`, (done) =>
    report({ type: 'transfer', way: 'send', file: file.file, done, total: file.size }),
  );
}

/** Fetches a file to this machine's cache. */
const fetchHere = ({ choices, report }: Work, file: RegistryFile): Promise<string> =>
  fetchToCache(file, choices.registries, (done) =>
    report({ type: 'transfer', way: 'here', file: file.file, done, total: file.size }),
  );

/** Puts a private Node on the host: fetched there with curl or wget, else sent. */
async function bringNode(work: Work): Promise<void> {
  const file = nodeFile(work.own.lock, work.arch);
  const { npm, proxy } = work.choices.registries;
  // A login in an address would show in the host's list of processes.
  const isOpen = ![npm, ...(proxy ? [proxy] : [])].some(hasLogin);
  const mayFetch = work.choices.fetch && isOpen;
  const first = mayFetch
    ? await placeNode(work, file, npmUrl(file, work.choices.registries), proxy ?? '')
    : await placeNode(work, file, '', '');
  if (first === undefined) return;
  work.report({ type: 'step', at: 'sending-node', why: first });
  await send(work, await fetchHere(work, file), file);
  const second = await placeNode(work, file, '', '');
  if (second !== undefined)
    throw new ParaError('host', 'Node arrived damaged on the host', { where: second, hint: 'repeat it' });
}

/** @returns why the host has no Node yet, `undefined` once it has */
async function placeNode(
  work: Work,
  file: RegistryFile,
  url: string,
  proxy: string,
): Promise<string | undefined> {
  const sum = file.hash.replace('sha512-', '');
  const args = [work.root, nodeName(work.own.lock, work.arch), file.file, `${file.size}`, sum, url, proxy];
  let last = '';
  const { errors } = await runScript(work.transport, nodeScript, args, (line) => {
    const progress = /^progress\s+([0-9]+)$/.exec(line);
    if (progress)
      work.report({
        type: 'transfer',
        way: 'host',
        file: file.file,
        done: Number(progress[1]),
        total: file.size,
      });
    else last = line;
  });
  if (last === 'have' || last === 'done') return undefined;
  if (last.startsWith('missing ')) return printable(last.slice('missing '.length));
  throw new ParaError('host', 'Node cannot be installed on the host', {
    where: `${work.name}: ${printable(last.replace(/^broken /, '') || errors)}`,
    hint: 'or have a Node 20.9 or newer installed there',
  });
}

/** Asks the set-up program until it has all it needs; a file is sent again once, should it arrive damaged. */
async function setUp(work: Work, asked: SetupRequest): Promise<Installed> {
  let request = asked;
  const sources = new Map<string, string>();
  const again = new Set<string>();
  const reasons = new Set<string>();
  for (;;) {
    const answer = await askSetup(work, request);
    if (answer.type === 'installed') return { ...answer, device: printable(answer.device) };
    for (const { file, why } of answer.files) {
      const source = sources.get(file);
      if (!partOf(request, file) && !reasons.has(why))
        work.report({ type: 'step', at: 'sending-files', why: printable(why) });
      reasons.add(why);
      if (source === undefined) request = await supply(work, request, file, sources);
      else if (again.has(file))
        throw new ParaError('host', 'A file arrives damaged on the host', {
          where: `${work.name}: ${file}`,
          hint: 'repeat it; is the disk there full?',
        });
      else {
        again.add(file);
        await send(
          work,
          source,
          request.runtime.files.find((f) => f.file === file) ?? partOf(request, file)!,
        );
      }
    }
  }
}

const partOf = ({ agent, bases }: SetupRequest, name: string): PlainFile | undefined =>
  [agent, bases].find((part) => part.file === name);

/** Sends a file the host lacks; gives the request as it is afterwards, since a package may go in a smaller form. */
async function supply(
  work: Work,
  request: SetupRequest,
  name: string,
  sources: Map<string, string>,
): Promise<SetupRequest> {
  const part = partOf(request, name);
  const file = request.runtime.files.find((known) => known.file === name);
  if (part) {
    const path = await partPath(work.own, part);
    sources.set(name, path);
    await send(work, path, part);
    return request;
  }
  if (!file || !('registry' in file))
    throw new ParaError('protocol', 'The host asks for a file that is not part of the installation', {
      where: `${work.name}: ${name}`,
    });
  const slim = await slimFor(file, await fetchHere(work, file), work.arch);
  sources.set(slim.file.file, slim.path);
  await send(work, slim.path, slim.file);
  const files = request.runtime.files.map((known) => (known === file ? slim.file : known));
  return { ...request, runtime: { ...request.runtime, files } };
}

/** Starts the set-up program $1 if its SHA-256 is $2, else removes it: the next installation sends it again. */
const starter = [
  "import { readFileSync, rmSync } from 'node:fs'",
  "import { createHash } from 'node:crypto'",
  "import { pathToFileURL } from 'node:url'",
  'const [path, sum] = process.argv.slice(1)',
  "const good = createHash('sha256').update(readFileSync(path)).digest('hex') === sum",
  'if (good) await import(pathToFileURL(path).href)',
  "else { rmSync(path); console.error('the set-up program arrived damaged') }",
].join(';');

type Outcome = Extract<SetupMessage, { type: 'installed' | 'missing' }>;

/** Runs the set-up program on the host once. */
async function askSetup(work: Work, request: SetupRequest): Promise<Outcome> {
  const { transport, own, root, name } = work;
  const node = request.node.startsWith('/') ? request.node : `${root}/${request.node}`;
  const sum = own.setup.hash.replace('sha256-', '');
  const channel = await transport.run([node, '--input-type=module', '-e', starter, setupPath(work), sum]);
  // Its input stays open: the program takes the end of it for the end of this one.
  channel.stdin.write(`${JSON.stringify(request)}\n`);
  let outcome: Outcome | ParaError | undefined;
  const began = await readLines(channel, (line) => {
    const message = parse(line);
    if (message?.type === 'progress')
      work.report({
        type: 'transfer',
        way: 'host',
        file: message.file,
        done: message.done,
        total: message.total,
      });
    else if (message?.type === 'step') work.report({ type: 'step', at: message.at });
    else if (message?.type === 'failed') outcome = failure(message, name);
    else if (message) outcome = message;
  });
  const code = await channel.exit;
  if (!began) throw transport.explain(channel, code);
  if (outcome instanceof ParaError) throw outcome;
  if (outcome) return outcome;
  throw new ParaError('host', 'The installation was cut off; the version that was there still works', {
    where: `${name}: ${printable(channel.errors().trim().slice(-400)) || `exit code ${code}`}`,
    hint: 'repeat it: it goes on where it stopped',
  });
}

function parse(line: string): SetupMessage | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return isValid(SetupMessage, value) ? value : undefined;
  } catch {
    return undefined; // something the host's Node printed
  }
}

const failure = (message: Extract<SetupMessage, { type: 'failed' }>, name: string): ParaError =>
  new ParaError(message.code as ErrorCode, printable(message.what), {
    where: `${name}: ${printable(message.where ?? '')}`,
    ...(message.hint ? { hint: printable(message.hint) } : {}),
  });
