import { type Static, Type } from '@sinclair/typebox';

const Name = Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9_.+-]{0,199}$' });
const Hash = Type.String({ pattern: '^(sha256-[0-9a-f]{64}|sha512-[0-9a-f]{128})$' });
const Url = Type.String({ pattern: '^https?://', maxLength: 2000 });

/** A file with the bytes it must have; `hash` is `sha256-` or `sha512-` and hex digits. */
const PlainFile = Type.Object({ file: Name, size: Type.Integer({ minimum: 0 }), hash: Hash });
export type PlainFile = Static<typeof PlainFile>;

/** A file of a registry: a package of npm, or a wheel of PyPI. */
const RegistryFile = Type.Composite([
  PlainFile,
  Type.Object({
    registry: Type.Union([Type.Literal('npm'), Type.Literal('pypi')]),
    name: Type.String({ pattern: '^(@[a-z0-9-]+/)?[a-z0-9][a-z0-9._-]*$' }),
    version: Type.String({ pattern: '^[0-9][A-Za-z0-9.+-]*$' }),
  }),
]);
export type RegistryFile = Static<typeof RegistryFile>;

/** Where files of the registries come from. */
export const Registries = Type.Object({
  npm: Url,
  /** A simple index, as pip's `index-url`. */
  pypi: Url,
  /** Proxy for the host; without it the host's own environment counts. */
  proxy: Type.Optional(Url),
});
export type Registries = Static<typeof Registries>;

/** What the set-up program on a host is asked to do, one JSON line on its stdin. */
export const SetupRequest = Type.Object({
  /** Absolute folder that holds everything. */
  root: Type.String({ pattern: '^/' }),
  /** Program that runs the agent: absolute, or relative to `root` for the private one. */
  node: Type.String({ minLength: 1 }),
  registries: Registries,
  /** Whether the host may fetch from the registries itself. */
  fetch: Type.Boolean(),
  version: Type.String({ pattern: '^[0-9][A-Za-z0-9.+-]*$' }),
  runtime: Type.Object({
    /** Folder name of the runtime. */
    name: Name,
    device: Type.Union([Type.Literal('cpu'), Type.Literal('cuda')]),
    /** Registry files, and those of them that were sent in a smaller form. */
    files: Type.Array(
      Type.Union([RegistryFile, Type.Composite([PlainFile, Type.Object({ name: Type.String() })])]),
    ),
  }),
  agent: PlainFile,
  bases: PlainFile,
});
export type SetupRequest = Static<typeof SetupRequest>;
export type RuntimeFile = SetupRequest['runtime']['files'][number];

/** What the set-up program answers, one JSON line each. */
export const SetupMessage = Type.Union([
  Type.Object({ type: Type.Literal('progress'), file: Name, done: Type.Number(), total: Type.Number() }),
  /** Files that must be sent: those no registry has, and those the host could not fetch. */
  Type.Object({
    type: Type.Literal('missing'),
    files: Type.Array(Type.Object({ file: Name, why: Type.String() })),
  }),
  Type.Object({
    type: Type.Literal('step'),
    at: Type.Union([Type.Literal('unpacking'), Type.Literal('trying')]),
  }),
  Type.Object({
    type: Type.Literal('installed'),
    version: Name,
    pruned: Type.Array(Name),
    /** Versions that running jobs still use. */
    kept: Type.Array(Name),
    /** What the device said when the runtime tried it; empty where it works. */
    device: Type.String(),
  }),
  Type.Object({
    type: Type.Literal('failed'),
    code: Type.String(),
    what: Type.String(),
    where: Type.Optional(Type.String()),
    hint: Type.Optional(Type.String()),
  }),
]);
export type SetupMessage = Static<typeof SetupMessage>;
