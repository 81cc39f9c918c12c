import type { ExtensionContext } from 'vscode';
import type { Hosts } from '../hosts/hosts.ts';
import type { Failures } from '../platform/failure.ts';
import type { Log } from '../platform/log.ts';
import type { Homecoming } from './homecoming.ts';
import type { RunStore } from './store.ts';

/** What the commands work with; made once, in `extension.ts`. */
export interface Services {
  readonly context: ExtensionContext;
  readonly log: Log;
  readonly failures: Failures;
  readonly hosts: Hosts;
  readonly runs: RunStore;
  readonly homecoming: Homecoming;
}
