import { execFile } from 'node:child_process';
import { userInfo } from 'node:os';
import { promisify } from 'node:util';

/** What a host does to the processes of a login that is closed; `null` where it does not tell. */
export interface LoginRules {
  /** logind ends them (`KillUserProcesses=yes`). */
  readonly killsUserProcesses: boolean | null;
  /** The user's own services go on without a login, and with them a scope that was started among them. */
  readonly lingers: boolean | null;
}

async function output(program: string, args: readonly string[]): Promise<string | undefined> {
  try {
    return (await promisify(execFile)(program, args, { timeout: 3000 })).stdout.trim();
  } catch {
    // No logind here, or none that answers.
    return undefined;
  }
}

let asked: Promise<LoginRules> | undefined;

/** Asks logind, once a process. */
export function loginRules(): Promise<LoginRules> {
  asked ??= ask();
  return asked;
}

async function ask(): Promise<LoginRules> {
  const manager = ['org.freedesktop.login1', '/org/freedesktop/login1', 'org.freedesktop.login1.Manager'];
  const kills = await output('busctl', ['get-property', ...manager, 'KillUserProcesses']);
  const lingers = await output('loginctl', ['show-user', userInfo().username, '-p', 'Linger', '--value']);
  return {
    killsUserProcesses: kills === undefined ? null : kills === 'b true',
    lingers: lingers === undefined ? null : lingers === 'yes',
  };
}

/** What to set where jobs would end with the login that started them; `undefined` where all is well. */
export function loginAdvice({ killsUserProcesses, lingers }: LoginRules): string | undefined {
  if (!killsUserProcesses || lingers) return undefined;
  return `This host ends the processes of a login that is closed, jobs among them: run "loginctl enable-linger ${userInfo().username}" there once (with sudo where it is refused)`;
}
