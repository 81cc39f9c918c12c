import type { Memento } from 'vscode';
import type { HostSession } from '../../remote-agent/src/hosts/session.ts';

const key = 'para.hostBases';
type ByHost = Readonly<Record<string, readonly string[]>>;

/** Names of bases that hosts had when they were asked last. */
export const basesOfHosts = (memory: Memento): string[] => [
  ...new Set(Object.values(memory.get<ByHost>(key) ?? {}).flat()),
];

/** Asks a host for its bases and remembers their names: what is written meanwhile may name them. */
export async function rememberBases(memory: Memento, session: HostSession): Promise<void> {
  const { listHostBases } = await import('../../remote-agent/src/hosts/remote-bases.ts');
  const names = (await listHostBases(session)).map(({ name }) => name);
  await memory.update(key, { ...memory.get<ByHost>(key), [session.profile.name]: names });
}
