import { type Static, Type } from '@sinclair/typebox';
import { Count, closed, Nothing, type Requests, Text } from './parts.ts';

const Gpu = Type.Object({ name: Text, memoryBytes: Count, freeBytes: Count, driver: Text });

export const HostFacts = Type.Object({
  platform: Text,
  arch: Text,
  libc: Text,
  node: Text,
  agent: Text,
  cpus: Count,
  cpuModel: Text,
  memoryBytes: Count,
  freeMemoryBytes: Count,
  diskFreeBytes: Count,
  home: Text,
  gpus: Type.Array(Gpu),
  /** What the host does to processes of a closed login, as far as it tells. */
  killsUserProcesses: Type.Union([Type.Boolean(), Type.Null()]),
});
export type HostFacts = Static<typeof HostFacts>;

export const hostRequests = {
  handshake: {
    about: 'Must come first. Both sides name the protocols they speak; the newest common one is used.',
    repeatable: true,
    params: Type.Object({ newest: Count, oldest: Count, client: Type.String({ maxLength: 200 }) }, closed),
    result: Type.Object({ newest: Count, oldest: Count, agent: Text, home: Text, notes: Type.Array(Text) }),
  },
  ping: {
    about: 'Shows that the way there and back works.',
    repeatable: true,
    params: Nothing,
    result: Nothing,
  },
  'host/facts': {
    about: 'Processor, GPUs, memory, disk and versions of the host.',
    repeatable: true,
    params: Nothing,
    result: HostFacts,
  },
} as const satisfies Requests;
