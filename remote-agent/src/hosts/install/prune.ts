import { existsSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { currentVersion, folders } from './assemble.ts';

/** What was removed, and the versions that stay because processes run from them. */
export interface Pruned {
  readonly pruned: string[];
  readonly kept: string[];
}

/** Command lines of this machine's processes, arguments separated by NUL; those of other users may be hidden. */
function commandLines(): string[] {
  return readdirSync('/proc')
    .filter((name) => /^[0-9]+$/.test(name))
    .flatMap((pid) => {
      try {
        return [readFileSync(`/proc/${pid}/cmdline`, 'utf8')];
      } catch {
        return []; // it ended just now
      }
    });
}

/**
 * Removes the versions of the agent that are not the current one and that no process runs from, then the runtimes,
 * Nodes and bases that no version left needs, and what was downloaded for them.
 */
export function prune(root: string): Pruned {
  const place = folders(root);
  const current = currentVersion(root);
  const running = commandLines();
  const pruned: string[] = [];
  const kept: string[] = [];
  const needed = new Set<string>();
  for (const version of readdirSync(place.agent)) {
    if (version === 'current') continue;
    const folder = join(place.agent, version);
    const used = running.some((line) => line.includes(`${folder}/`));
    if (version !== current && !used) {
      rmSync(folder, { recursive: true });
      pruned.push(version);
      continue;
    }
    if (version !== current) kept.push(version);
    for (const link of ['node', 'node_modules', 'bases']) needed.add(targetOf(join(folder, link)));
  }
  for (const parent of [place.runtime, place.shipped, place.node]) {
    if (!existsSync(parent)) continue;
    for (const name of readdirSync(parent)) {
      const folder = join(parent, name);
      if ([...needed].some((path) => path === folder || path.startsWith(`${folder}/`))) continue;
      rmSync(folder, { recursive: true });
      // What a cut-off set-up left begins with a dot, and was never of use.
      if (!name.startsWith('.')) pruned.push(name);
    }
  }
  rmSync(place.setup, { recursive: true, force: true });
  return { pruned, kept };
}

const targetOf = (link: string): string => resolve(link, '..', readlinkSync(link));
