import { join } from 'node:path';
import {
  commands,
  l10n,
  type QuickPickItem,
  type QuickPickItemKind,
  ThemeIcon,
  Uri,
  window,
  workspace,
} from 'vscode';
import { defined } from '../../remote-agent/src/common/defined.ts';
import { ParaError } from '../../remote-agent/src/common/errors.ts';
import type { HostSession } from '../../remote-agent/src/hosts/session.ts';
import type { BaseCheck } from '../../remote-agent/src/protocol/contract/bases.ts';
import type { HostFacts } from '../../remote-agent/src/protocol/contract.ts';
import type { Subject } from '../../remote-agent/src/subject/load.ts';
import type { TrainSpec } from '../../remote-agent/src/subject/train-spec.ts';
import { bringBase, rememberBases } from '../hosts/known-bases.ts';
import { hostLabel } from '../hosts/label.ts';
import { thisMachine } from '../hosts/this-machine.ts';
import { confirmed } from '../platform/confirm.ts';
import { bytes } from '../platform/format.ts';
import type { Problem } from '../platform/problem.ts';
import { type Work, withProgress } from '../platform/progress.ts';
import { setting } from '../platform/settings.ts';
import { costOf, costWords, paceFor } from '../runs/cost.ts';
import { type Estimate, noteEstimate } from '../runs/estimate.ts';
import { paces } from '../runs/pace.ts';
import type { Services } from '../runs/services.ts';
import { fileSubject, subjectOf } from '../runs/subject.ts';
import { submitSpec } from '../runs/submit.ts';
import { deviceHere } from './device.ts';
import { subjectInFront } from './in-front.ts';
import { localSubject } from './local-copy.ts';
import { chooseHost, offerElsewhere } from './where.ts';
import { findSubjects, mustBeSaved } from './workspace-files.ts';

type Method = 'para' | 'lora';

/** What training is started with. */
export interface TrainServices extends Services {
  /** What is to mend in a subject file. */
  problemsOf(uri: Uri): Promise<readonly Problem[]>;
}

/** What is known already when training is asked for. */
export interface TrainRequest {
  readonly subject?: Uri;
  readonly host?: string;
  /** Instead of the file's own method; several make one run each. */
  readonly methods?: readonly Method[];
}

const lastSubject = 'para.lastSubject';

/**
 * Trains a subject: asks for what is missing, checks everything before anything is sent, says what it will cost.
 * @returns ids of the runs; empty where the person gave up
 */
export async function trainSubject(services: TrainServices, request: TrainRequest = {}): Promise<string[]> {
  const { context, hosts } = services;
  hosts.mayConnect();
  const uri = request.subject ?? (await chooseSubject(services, l10n.t('Train which subject?')));
  if (!uri) return [];
  mustBeSaved(uri);
  await saveSubject(uri);
  const path = await localSubject(uri, context.globalStorageUri);
  const subject = await load(path, uri);
  await refuseProblems(services, uri);
  const quiet = request.subject !== undefined;
  const host = request.host ?? (await chooseHost(services, quiet));
  if (!host) return [];
  await context.workspaceState.update(lastSubject, uri.toString());
  const told: string[] = [];
  const ids = await withProgress(l10n.t('Train {0} on {1}', subject.name, hostLabel(host)), async (work) => {
    work.report(l10n.t('connecting'));
    const session = await hosts.session(host);
    const { resolveSpec } = await import('../../remote-agent/src/dataset/spec.ts');
    const { findAmong, listHostBases } = await import('../../remote-agent/src/hosts/remote-bases.ts');
    const { deviceOf } = await import('../../remote-agent/src/hosts/submit.ts');
    const listed = await listHostBases(session);
    await rememberBases(
      context.globalState,
      host,
      listed.map(({ name }) => name),
    );
    const bases = findAmong(listed, host, bringBase());
    const facts = await session.call('host/facts', {});
    const device = host === thisMachine ? await findDevice(services, session, work) : deviceOf(facts);
    const ids: string[] = [];
    for (const method of request.methods ?? [undefined]) {
      work.signal.throwIfAborted();
      work.report(l10n.t('checking pictures and settings'));
      const spec = resolveSpec(subject, { method, device }, (name) => ({ name, hash: bases(name).hash }));
      const estimate = await agreed(services, session, facts, spec, work);
      if (estimate === undefined) return ids;
      ids.push(await send(services, session, spec, estimate, work));
      told.push(estimate.text);
    }
    await services.runs.refresh();
    return ids;
  });
  if (request.host === undefined && quiet && ids.length > 0)
    offerElsewhere(services, { uri, name: subject.name, host, ids, cost: told.join('; ') });
  return ids;
}

/** Reads a subject file; what is wrong with it is told under the name that the workspace has for it. */
async function load(path: string, uri: Uri): Promise<Subject> {
  const { loadSubject } = await import('../../remote-agent/src/subject/load.ts');
  try {
    return loadSubject(path);
  } catch (cause) {
    if (!(cause instanceof ParaError) || !cause.where?.startsWith(path)) throw cause;
    throw cause.withWhere(`${workspace.asRelativePath(uri)}${cause.where.slice(path.length)}`);
  }
}

async function findDevice({ log }: Services, session: HostSession, work: Work) {
  work.report(l10n.t('looking for a GPU'));
  const { device, why } = await deviceHere(session);
  log.info(`This machine computes on ${device}: ${why}`);
  return device;
}

/** @throws ParaError `subject` naming the first error, before anything is sent */
async function refuseProblems({ problemsOf }: TrainServices, uri: Uri): Promise<void> {
  const errors = (await problemsOf(uri)).filter(({ severity }) => severity === 'error');
  const [first] = errors;
  if (!first) return;
  const { line } = (await workspace.openTextDocument(uri)).positionAt(first.start);
  throw new ParaError('subject', first.message.replace(/\.$/, ''), {
    where: `${workspace.asRelativePath(uri)}:${line + 1}`,
    hint:
      errors.length > 2
        ? l10n.t('{0} more are in the Problems view', errors.length - 1)
        : errors.length === 2
          ? l10n.t('one more is in the Problems view')
          : l10n.t('mend it in the subject file'),
  });
}

/** Captions and the subject as they are in the editor are what was checked, and what is trained on lies on the disk. */
async function saveSubject(uri: Uri): Promise<void> {
  const folder = uri.path.slice(0, uri.path.lastIndexOf('/') + 1);
  for (const document of workspace.textDocuments) {
    const { scheme, authority, path } = document.uri;
    const beside = scheme === uri.scheme && authority === uri.authority && path.startsWith(folder);
    const isPart = path === uri.path || /\.(txt|jsonl)$/.test(path);
    if (document.isDirty && beside && isPart) await document.save();
  }
}

/** Sends a run; what was said of it beforehand stays with it. */
async function send(
  { runs, log }: Services,
  session: HostSession,
  spec: TrainSpec,
  estimate: Estimate,
  { signal, report }: Work,
): Promise<string> {
  signal.throwIfAborted();
  const id = await submitSpec(session, spec, runs.folder, setting('bring'), (sent, total) => {
    // Before the job is made nothing is begun: what was sent already is of no harm.
    signal.throwIfAborted();
    const sending = l10n.t('sending pictures: {0} of {1}', bytes(sent), bytes(total));
    report(total > 0 ? `${estimate.text}; ${sending}` : estimate.text, sent / Math.max(1, total));
  });
  try {
    noteEstimate(join(runs.folder, id), estimate);
  } catch (cause) {
    log.warn(`${id}: ${String(cause)}`); // the run is on its way all the same
  }
  return id;
}

/**
 * Says what a run will cost; asks only where the memory there will not do.
 * @returns what is said of it; `undefined` where the person does not want it
 */
async function agreed(
  services: Services,
  session: HostSession,
  { gpus, memoryBytes }: HostFacts,
  spec: TrainSpec,
  work: Work,
): Promise<Estimate | undefined> {
  work.report(l10n.t('planning memory'));
  const { planOnHost } = await import('../../remote-agent/src/hosts/submit.ts');
  const plan = await planOnHost(session, spec);
  const cost = costOf(
    spec,
    paceFor(paces(services), { host: session.profile.name, base: spec.base.name, method: spec.method.name }),
    plan,
    plan ? undefined : await checkOf(services, session, spec.base, work),
  );
  const { seconds, memoryBytes: needed } = cost;
  const estimate = defined<Estimate>({
    text: costWords(spec, cost, l10n.t),
    seconds,
    memoryBytes: needed,
  });
  if (plan?.note) services.log.info(`${spec.subject}: ${plan.note}`);
  work.report(estimate.text);
  services.log.info(`${spec.subject}: ${estimate.text}`);
  const room = spec.device === 'cuda' ? Math.max(0, ...gpus.map((gpu) => gpu.memoryBytes)) : memoryBytes;
  if (needed === undefined || room === 0 || needed < room) return estimate;
  const goOn = await confirmed(
    l10n.t('This will need about {0} of memory; the host has {1}.', bytes(needed), bytes(room)),
    l10n.t(
      'Set "training.memory" to "lean", or lower "training.resolution" or "training.batch" in the subject file.',
    ),
    l10n.t('Train All the Same'),
  );
  return goOn ? estimate : undefined;
}

/** What a check of the base found, made once a base and host. */
async function checkOf(
  { context, log }: Services,
  session: HostSession,
  base: { name: string; hash: string },
  work: Work,
): Promise<BaseCheck | undefined> {
  const key = `para.baseCheck ${session.profile.name} ${base.hash}`;
  const known = context.globalState.get<BaseCheck>(key);
  if (known) return known;
  work.report(l10n.t('looking at the base {0}, once', base.name));
  try {
    const { checkHostBase } = await import('../../remote-agent/src/hosts/remote-bases.ts');
    const check = await checkHostBase(session, base.name);
    await context.globalState.update(key, check);
    return check;
  } catch (cause) {
    log.warn(`No estimate of memory: ${String(cause)}`);
    return undefined;
  }
}

interface SubjectItem extends QuickPickItem {
  readonly kind?: QuickPickItemKind;
  readonly uri?: Uri;
  readonly make?: 'sample' | 'new';
}

/** Asks for a subject file; one that is in front is meant. */
export async function chooseSubject(
  { context }: Pick<Services, 'context'>,
  title: string,
): Promise<Uri | undefined> {
  const active = subjectInFront();
  if (active) return active;
  const found = await findSubjects();
  const last = context.workspaceState.get<string>(lastSubject);
  const isLast = (uri: Uri) => Number(uri.toString() === last);
  found.sort((a, b) => isLast(b) - isLast(a) || a.path.localeCompare(b.path));
  const items: SubjectItem[] = [
    ...found.map((uri) => ({
      label: fileSubject(uri),
      description: workspace.asRelativePath(uri),
      iconPath: new ThemeIcon('symbol-color'),
      uri,
    })),
    {
      label: l10n.t('New subject from images...'),
      iconPath: new ThemeIcon('new-folder'),
      make: 'new',
    },
    {
      label: l10n.t('The sample subject: a sandy dog'),
      iconPath: new ThemeIcon('mortar-board'),
      make: 'sample',
    },
  ];
  const chosen = await window.showQuickPick(items, {
    title,
    placeHolder: l10n.t('A subject file names the pictures and what is learned from them'),
    matchOnDescription: true,
  });
  if (chosen?.make === 'sample') return copySample(context.extensionUri, context.globalStorageUri);
  if (chosen?.make === 'new') return commands.executeCommand<Uri | undefined>('para.newSubject');
  return chosen?.uri;
}

/**
 * The file of a subject by its name: what was trained last, one of the workspace, the sample.
 * @throws ParaError `subject` where none has this name
 */
export async function subjectFileOf({ context }: Pick<Services, 'context'>, name: string): Promise<Uri> {
  const last = context.workspaceState.get<string>(lastSubject);
  const files = [...(await findSubjects()), sampleFile(context.globalStorageUri)];
  for (const uri of [...(last ? [Uri.parse(last, true)] : []), ...files])
    if ((await exists(uri)) && (await subjectOf(uri)) === name) return uri;
  throw new ParaError('subject', l10n.t('The file of the subject "{0}" is not in this workspace', name), {
    hint: l10n.t('open its folder first'),
  });
}

const exists = (uri: Uri): Promise<boolean> =>
  Promise.resolve(workspace.fs.stat(uri)).then(
    () => true,
    () => false,
  );

const sampleFolder = (storage: Uri) => Uri.joinPath(storage, 'sample-dog');
const sampleFile = (storage: Uri) => Uri.joinPath(sampleFolder(storage), 'dog.para.json');

/** The sample subject in a folder that may be written to. */
export async function copySample(extensionUri: Uri, storage: Uri): Promise<Uri> {
  const target = sampleFolder(storage);
  const file = sampleFile(storage);
  if (!(await exists(file)))
    await workspace.fs.copy(Uri.joinPath(extensionUri, 'examples', 'dog'), target, { overwrite: true });
  return file;
}
