// Writes docs/protocol.md: its prose from scripts/protocol-head.md, its tables from the typed contract; with --check it
// only says whether the page is current (exit code 1 when not).
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { root } from './install.mjs';

const out = join(root, '.cache/contract.mjs');
await build({
  stdin: {
    contents: `export * from './contract.ts'; export { WireSpec } from './spec.ts'; export * from './blobs.ts';`,
    resolveDir: join(root, 'remote-agent/src/protocol'),
    loader: 'ts',
  },
  outfile: out,
  bundle: true,
  format: 'esm',
  platform: 'node',
  packages: 'external',
});
const {
  requests,
  notifications,
  JobInfo,
  HostFacts,
  WireSpec,
  BlobRequest,
  PutOffer,
  PutDone,
  GetOffer,
  Ack,
  BlobFailure,
} = await import(out);

/** Shapes that come more than once: described once. */
const shapes = new Map([
  [JobInfo, ['JobInfo', 'A job as clients see it.']],
  [HostFacts, ['HostFacts', 'What a host is.']],
  [
    WireSpec,
    ['WireSpec', 'A training spec as it travels: pictures are blobs, the base is one the host has.'],
  ],
]);
const cell = (text) => String(text).replaceAll('|', '\\|').replaceAll('\n', ' ');
const code = (text) => `\`${text}\``;

/** A type in a few words; shapes that are used as members are written out below the row they belong to. */
function typeOf(schema) {
  const shape = shapes.get(schema);
  if (shape) return `[${shape[0]}](#${shape[0].toLowerCase()})`;
  if (schema.const !== undefined) return code(JSON.stringify(schema.const));
  if (schema.anyOf) return [...new Set(schema.anyOf.map(typeOf))].join(' or ');
  if (schema.type === 'array')
    return `list of ${typeOf(schema.items)}${bounds(schema.minItems, schema.maxItems)}`;
  if (schema.type === 'object') {
    // Events are told apart by their type.
    const kind = schema.properties?.type?.const;
    return kind ? code(kind) : 'object';
  }
  if (schema.type === 'null') return 'null';
  if (schema.type === 'string')
    return schema.pattern
      ? `text like ${code(schema.pattern)}`
      : `text${schema.maxLength < 100_000 ? ` of at most ${schema.maxLength} characters` : ''}`;
  return `${schema.type}${bounds(schema.minimum, schema.maximum)}`;
}

function bounds(low, high) {
  if (low !== undefined && high !== undefined) return ` (${low} to ${high})`;
  if (low !== undefined) return ` (from ${low})`;
  return high === undefined ? '' : ` (at most ${high})`;
}

/** Rows of an object's members, those of members that are objects (or lists of them) after their own. */
function rows(schema, prefix = '') {
  const needed = new Set(schema.required ?? []);
  return Object.entries(schema.properties ?? {}).flatMap(([name, member]) => {
    const path = prefix ? `${prefix}.${name}` : name;
    const row = `| ${code(path)}${needed.has(name) ? '' : ' (optional)'} | ${cell(typeOf(member))} | ${cell(member.description ?? '')} |`;
    const inner = member.type === 'array' ? member.items : member;
    const below =
      inner.type === 'object' && !shapes.has(inner)
        ? rows(inner, member.type === 'array' ? `${path}[]` : path)
        : [];
    return [row, ...below];
  });
}

const head = '| member | type | meaning |\n|---|---|---|\n';
const table = (schema) => `${head}${rows(schema).join('\n')}`;
const section = (schema, none) =>
  shapes.has(schema)
    ? `: ${typeOf(schema)}.`
    : Object.keys(schema.properties ?? {}).length === 0
      ? `: ${none}.`
      : `:\n\n${table(schema)}`;

const requestPages = Object.entries(requests).map(
  ([name, { about, repeatable, params, result }]) => `### ${code(name)}
${about} ${repeatable ? 'May be sent again after a lost connection.' : '**Is carried out each time it is sent.**'}

Parameters${section(params, 'none')}

Result${section(result, 'nothing')}
`,
);
const noticePages = Object.entries(notifications).map(
  ([name, { about, params }]) => `### ${code(name)}\n${about}\n\n${table(params)}\n`,
);
/** What is said on the blob channel, line by line. */
const blobPages = BlobRequest.anyOf.map(
  (schema) => `### ${code(schema.properties.op.const)}\n${schema.description}\n\n${table(schema)}\n`,
);
const blobAnswers = [
  ['the agent, before it takes the bytes of a `put`', PutOffer],
  ['the agent, when it has them', PutDone],
  ['the agent, before the bytes of a `get` or `fetch`', GetOffer],
  ['the client, while it receives them, where it asked with `acks`', Ack],
  ['the agent instead of any of these; it ends the channel then', BlobFailure],
].map(
  ([who, schema]) =>
    `| ${who} | ${Object.entries(schema.properties)
      .map(([name, member]) => `${code(name)}: ${typeOf(member)}`)
      .join('; ')} |`,
);
const eventTypes = notifications.events.params.properties.events.items.anyOf;
const eventRows = eventTypes.map((schema) => {
  const { seq, time, type, ...own } = schema.properties;
  const needed = new Set(schema.required);
  const members = Object.entries(own).map(
    ([name, member]) => `${code(name)}${needed.has(name) ? '' : ' (optional)'}: ${typeOf(member)}`,
  );
  return `| ${code(type.const)} | ${cell(members.join('; '))} |`;
});

const page = `${readFileSync(join(root, 'scripts/protocol-head.md'), 'utf8').trimEnd()}

The rest of this page is made from the contract by \`npm run protocol\`.

## Requests
${requestPages.join('\n')}
## Notifications
${noticePages.join('\n')}
## The blob channel
Begins after the sentinel line too. One JSON line a request, one after the other; bytes follow lines as they are.

${blobPages.join('\n')}
### Answers
| who says it | members |
|---|---|
${blobAnswers.join('\n')}

## Shapes
${[...shapes].map(([schema, [name, about]]) => `### ${name}\n${about}\n\n${table(schema)}\n`).join('\n')}
## Events
Each has \`seq\` (1, 2, 3, ... without a gap within a job), \`time\` (ISO 8601) and \`type\`. An agent that is newer may add members and types.

| type | members |
|---|---|
${eventRows.join('\n')}
`;
const path = join(root, 'docs/protocol.md');
const current = existsSync(path) && readFileSync(path, 'utf8') === page;
if (!process.argv.includes('--check')) writeFileSync(path, page);
else if (!current) {
  console.error('docs/protocol.md is not current: run npm run protocol');
  process.exitCode = 1;
}
