import { type Static, Type } from '@sinclair/typebox';
import { JobId } from '../names.ts';
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
  /** Whether what the user starts apart from a login goes on without one. */
  lingers: Type.Union([Type.Boolean(), Type.Null()]),
});
export type HostFacts = Static<typeof HostFacts>;

export const Devices = Type.Object({
  /** The one to compute on. */
  device: Type.Union([Type.Literal('cpu'), Type.Literal('cuda'), Type.Literal('webgpu')]),
  /** Why this one, in words. */
  why: Text,
  findings: Type.Array(
    Type.Object({
      device: Type.Union([Type.Literal('cuda'), Type.Literal('webgpu')]),
      works: Type.Boolean(),
      /** Where it works: as many times as fast as the processor, in matrix products. */
      speed: Type.Optional(Type.Number({ minimum: 0 })),
      /** Where it does not. */
      why: Type.Optional(Text),
    }),
  ),
});
export type Devices = Static<typeof Devices>;

export const Diagnostics = Type.Object({
  facts: HostFacts,
  notes: Type.Array(Text),
  queue: Type.Array(
    Type.Object({ id: JobId, client: Text, device: Text, state: Text, slot: Type.Optional(Text) }),
  ),
  locks: Type.Array(Type.Object({ name: Text, pid: Type.Integer(), alive: Type.Boolean() })),
  logs: Type.Array(Type.Object({ name: Text, text: Text })),
});
export type Diagnostics = Static<typeof Diagnostics>;

export const hostRequests = {
  handshake: {
    about:
      'Must come first. Both sides name the protocols they speak; the newest common one is used. `client` names who asks: jobs of several clients take turns. The agent starts what waits in the queue and says in `notes` what it did and what is amiss on the host.',
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
  'host/devices': {
    about:
      'Which devices compute there, each tried in a process of its own and then remembered, and which one to choose. The first answer may take a minute.',
    repeatable: true,
    params: Nothing,
    result: Devices,
  },
  'host/diagnostics': {
    about:
      'What helps to find out what is wrong: facts, queue, locks with their holders, ends of the logs without secrets.',
    repeatable: true,
    params: Nothing,
    result: Diagnostics,
  },
} as const satisfies Requests;
