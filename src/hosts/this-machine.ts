import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { HostProfile } from '../../remote-agent/src/hosts/profiles.ts';

/** Name of the machine that the extension runs on; no host that a person adds can have it. */
export const thisMachine = 'this machine';

/**
 * The agent that comes with the extension, as a host: a child process of the editor's own Node unless another is
 * named. It shares the folder of runs and bases with the extension: its jobs are the run folders.
 * @param extensionPath folder of the extension
 * @param nodePath a Node to run it with; empty: the editor's
 * @returns `undefined` where the extension was packed without an agent
 */
export function localProfile(extensionPath: string, nodePath: string): HostProfile | undefined {
  const program = join(extensionPath, 'remote-agent', 'dist', 'agent.js');
  if (!existsSync(program)) return undefined;
  const node = nodePath || process.execPath;
  return {
    name: thisMachine,
    transport: 'local',
    root: '',
    // The desktop editor's program is Node where this variable says so; Node itself does not mind.
    agent: { words: [node, program], env: { ...process.env, ELECTRON_RUN_AS_NODE: '1' } },
  };
}
