import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { ParaError } from '../common/errors.ts';
import { followJob } from '../hosts/follow.ts';
import { findHost, type HostProfile } from '../hosts/profiles.ts';
import { readRemote, writeRemote } from '../hosts/remote-ref.ts';
import { HostSession } from '../hosts/session.ts';
import type { SendProgress } from '../hosts/submit.ts';
import { readEvents } from '../jobs/event-log.ts';
import { createJob, isOver, type JobState, jobFiles, listRuns, readSpec, runsFolder } from '../jobs/job.ts';
import { fromWireSpec } from '../jobs/wire.ts';
import type { JobInfo } from '../protocol/contract.ts';
import { interruptible } from './interrupt.ts';
import { bold, dim, Progress, say } from './output.ts';
import { RunDisplay } from './run-display.ts';
import { terminalPrompter } from './terminal-prompter.ts';

/** How a run on a host is watched. */
export interface WatchOptions {
  readonly json?: boolean;
  /** Submit only. */
  readonly detach?: boolean;
}

/** How a person names a run: by its id in the runs folder, else by its folder. */
export const nameOf = (directory: string) =>
  dirname(directory) === runsFolder() ? basename(directory) : directory;

/** Opens a connection to a host by its name. @throws ParaError `host`, `login`, `agent`, `protocol` */
export async function openHost(name: string): Promise<HostSession> {
  const session = await HostSession.open(findHost(name), terminalPrompter);
  for (const note of session.notes) say(dim(`${name}: ${note}`));
  return session;
}

/** Does something on a host and closes the connection, whatever comes of it. */
export async function withHost<T>(name: string, work: (session: HostSession) => Promise<T>): Promise<T> {
  const session = await openHost(name);
  try {
    return await work(session);
  } finally {
    session.close();
  }
}

/** Shows a bar while files are sent. */
export async function withSendBar<T>(
  session: HostSession,
  json: boolean,
  work: (progress: SendProgress) => Promise<T>,
): Promise<T> {
  let bar: Progress | undefined;
  try {
    return await work((sent, total) => {
      if (json || total === 0) return;
      bar ??= new Progress(`send to ${session.profile.name}`, total, sent, 'bytes');
      bar.update(sent);
    });
  } finally {
    bar?.stop();
  }
}

/**
 * Watches the run of a folder on its host until it is over or the person has seen enough (Ctrl-C ends the watching,
 * not the run).
 * @throws ParaError `run` where it failed
 */
export async function watchRun(
  directory: string,
  options: WatchOptions,
  session?: HostSession,
): Promise<number> {
  const { host } = readRemote(directory)!;
  if (options.detach) {
    session?.close();
    say(
      `${nameOf(directory)} is on ${host}. Watch it with ${bold(`para show ${nameOf(directory)} --follow`)}`,
    );
    return 0;
  }
  const profile = findHost(host);
  const display = new RunDisplay(readSpec(directory), options.json);
  try {
    if (options.json) for (const event of readEvents(jobFiles(directory).events)) display.show(event);
    const job = await interruptible((signal) =>
      followJob(profile, directory, { ...linkWords(profile, display), signal }, session),
    );
    display.stop();
    if (!job) {
      if (!options.json)
        say(
          `\nThe run goes on on ${host}. ${bold(`para show ${nameOf(directory)} --follow`)} watches it, ${bold(`para cancel ${nameOf(directory)}`)} stops it`,
        );
      return 130;
    }
    ring();
    return outcome(job, directory, display, options);
  } finally {
    display.stop();
  }
}

/** What a follower tells a person of the link and the queue. */
function linkWords(profile: HostProfile, display: RunDisplay) {
  let lost = false;
  let place = 0;
  let over = false;
  return {
    prompter: terminalPrompter,
    onEvents: (events: readonly Parameters<RunDisplay['show']>[0][]) => {
      for (const event of events) display.show(event);
    },
    onRestart: () => display.say('The host lost the end of its log; all events are told again'),
    onFile: (file: string, bytes: number, size: number) => {
      if (over) display.fetching(file, bytes, size);
    },
    wantsNow: enterPressed,
    onJob: ({ state, queuePlace = 0 }: JobInfo) => {
      over = isOver(state as JobState);
      if (state === 'queued' && queuePlace !== place && queuePlace > 0)
        display.say(`waiting on ${profile.name}: place ${queuePlace} in the queue`);
      if (state === 'interrupted')
        display.say(`${profile.name} was restarted; the run goes on from its saved state`);
      place = queuePlace;
    },
    onLink: (state: { at: string; delayMs?: number }, problem?: unknown) => {
      if (state.at === 'connected') {
        if (lost) display.say(`connected to ${profile.name} again`);
        lost = false;
      } else if (!lost) {
        lost = true;
        const how = process.stdin.isTTY ? 'again (Enter: at once)' : 'again';
        display.say(`the connection to ${profile.name} was lost; the run goes on there. Trying ${how} ...`);
        if (problem instanceof ParaError && problem.where) display.say(dim(problem.where));
      }
    },
  };
}

/** Resolves when the person presses Enter on this terminal; never where there is none. */
const enterPressed = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const { stdin } = process;
    if (!stdin.isTTY || signal.aborted) return;
    const stop = () => {
      stdin.off('data', take);
      stdin.pause();
    };
    const take = () => {
      stop();
      resolve();
    };
    stdin.on('data', take);
    signal.addEventListener('abort', stop, { once: true });
  });

function outcome(job: JobInfo, directory: string, { error }: RunDisplay, { json }: WatchOptions): number {
  if (job.state === 'failed')
    throw new ParaError('run', error?.message ?? job.error ?? 'The run failed', {
      where: error?.where ?? directory,
      hint: `${error?.hint ? `${error.hint}\n  ` : ''}the run is kept: continue with para resume ${nameOf(directory)}`,
    });
  if (job.state === 'stopped') {
    if (!json) say(`Stopped; its state is saved. ${bold(`continue with para resume ${nameOf(directory)}`)}`);
    return 130;
  }
  return 0;
}

/** Once, at the end of a run that was watched. */
export function ring(): void {
  if (process.stdout.isTTY) process.stdout.write('\u0007');
}

/**
 * The run folder of a host's job; made where the job was submitted from another machine.
 * @throws ParaError `run` where the host has no such job
 */
export async function bringHome(host: string, id: string): Promise<string> {
  for (const { directory } of listRuns()) {
    const remote = readRemote(directory);
    if (remote?.host === host && remote.id === id) return directory;
  }
  const { spec } = await withHost(host, (session) => session.call('jobs/spec', { id }));
  const directory = join(runsFolder(), existsSync(join(runsFolder(), id)) ? `${id}-${host}` : id);
  createJob(directory, fromWireSpec(spec));
  writeRemote(directory, { host, id, bring: 'best', fetched: {} });
  return directory;
}

/** Brings home what a run on a host has done up to now. */
export async function catchUp(directory: string): Promise<void> {
  const { host } = readRemote(directory)!;
  await followJob(findHost(host), directory, { once: true }, await openHost(host));
}
