import { l10n, type Memento } from 'vscode';

const key = 'para.hostBases';
type ByHost = Readonly<Record<string, readonly string[]>>;

/** Names of bases that hosts had when they were asked last. */
export const basesOfHosts = (memory: Memento): string[] => [
  ...new Set(Object.values(memory.get<ByHost>(key) ?? {}).flat()),
];

/** Names of the bases that a host had when it was asked last; `undefined` where it never was. */
export const basesOf = (memory: Memento, host: string): readonly string[] | undefined =>
  memory.get<ByHost>(key)?.[host];

/** Remembers the names of a host's bases: what is written while it is away may name them. */
export const rememberBases = (memory: Memento, host: string, names: readonly string[]): Thenable<void> =>
  memory.update(key, { ...memory.get<ByHost>(key), [host]: names });

/** How a base comes to a host, for whoever misses one there. */
export const bringBase = (): string => l10n.t('bring one there with "PaRa: Import Base Model"');
