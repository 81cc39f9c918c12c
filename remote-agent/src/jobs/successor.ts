import { spawn } from 'node:child_process';
import { existsSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';

/**
 * The starter of the version that took this one's place since, by the folders of an installation
 * (`agent/VERSION/dist/agent.js`, `agent/current` a link to a version); `undefined` where this is the current one, or
 * is no installed one.
 * @param agent bundle of this version
 */
export function successorOf(agent: string): string | undefined {
  const version = dirname(dirname(agent));
  const current = join(dirname(version), 'current');
  const starter = join(current, 'para-agent');
  try {
    if (realpathSync(current) !== realpathSync(version) && existsSync(starter)) return starter;
  } catch {
    // No link of this name: a checkout, or an installation that is being removed.
  }
  return undefined;
}

/** Starts the supervisor of a slot in another version; it outlives its starter. */
export function handOver(starter: string, slot: string): void {
  // Its output goes on into this one's log.
  spawn(starter, ['supervise', slot], { detached: true, stdio: ['ignore', 'inherit', 'inherit'] })
    .on('error', (cause) => console.error(cause))
    .unref();
}
