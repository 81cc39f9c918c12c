// Writes schemas/para.schema.json and the settings in docs/training.md from the schema in the source; with --check it
// only says whether they are current (exit code 1 when not).
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { root } from './install.mjs';

const out = join(root, '.cache/schema.mjs');
await build({
  entryPoints: [join(root, 'remote-agent/src/subject/schema.ts')],
  outfile: out,
  bundle: true,
  format: 'esm',
  platform: 'node',
  packages: 'external',
});
const { SubjectSchema } = await import(out);

const range = (s) => {
  if (s.anyOf) return s.anyOf.map((o) => o.const ?? range(o)).join(', ');
  const low = s.minimum ?? (s.exclusiveMinimum === undefined ? undefined : `above ${s.exclusiveMinimum}`);
  const high = s.maximum ?? (s.exclusiveMaximum === undefined ? undefined : `below ${s.exclusiveMaximum}`);
  return [s.type, low === undefined ? '' : `from ${low}`, high === undefined ? '' : `to ${high}`]
    .filter(Boolean)
    .join(' ');
};
const cell = (text) => String(text).replaceAll('|', '\\|');
const table = (properties) =>
  Object.entries(properties)
    .filter(([key]) => key !== '$schema')
    .map(
      ([key, s]) =>
        `| \`${key}\` | ${cell(range(s))} | ${s.default === undefined ? '' : `\`${JSON.stringify(s.default)}\``} | ${cell(s.description ?? '')} |`,
    )
    .join('\n');
const head = '| setting | values | default | meaning |\n|---|---|---|---|\n';
const sections = Object.entries(SubjectSchema.properties)
  .filter(([, s]) => s.properties)
  .map(([key, s]) => `## \`${key}\`\n${s.description ?? ''}\n\n${head}${table(s.properties)}`);
const flat = Object.fromEntries(Object.entries(SubjectSchema.properties).filter(([, s]) => !s.properties));

const guide = `# Training: every setting
A subject file \`NAME.para.json\` (comments allowed) needs only \`pictures\` and \`class\`. The tables are made from the schema by \`npm run schema\`.

Captions: in the file itself, in \`NAME.txt\` beside a picture, in \`metadata.jsonl\` (\`file_name\`, \`text\`), else "a TRIGGER CLASS".

When to change what:
- The subject is not learned: more \`training.steps\`, or for PaRa a larger \`method.gamma\`.
- Backgrounds are ignored: fewer steps, captions that name the background, a smaller rank.
- The loss is no number: a third of \`training.learningRate\`.
- The subject is at the edge of wide or tall pictures: \`training.crop\` \`"buckets"\` (little is cut off; small bases have fewer shapes to choose from) or \`"random"\`.
- It learns, then gets worse: hold pictures out (\`validation.share\`) and take \`checkpoints/best.safetensors\`.
- The memory is short: \`samples.memory\` \`"turns"\`, then a smaller \`training.resolution\`.

## What happens to the pictures
They are turned as EXIF says, converted to sRGB and laid on \`background\` where they are transparent. All problems of all pictures are told at once: files that are missing when the run is made; files that are broken, changed since, or smaller than a quarter of what is trained at when it starts. Smaller ones than trained at are made larger, and a note names them.

A base's pictures are square (or of the base's own shape). \`center\` scales a picture to cover the square and takes its middle. \`random\` takes \`crops\` parts at random places; they are drawn once, from the seed and the picture's content, since latents are computed once. \`buckets\` takes the size whose shape is nearest to the picture's: sides are multiples of the VAE's factor times the U-Net's (32 px for SDXL) from half to twice the square's, the area at most the square's. A batch holds pictures of one size; in an epoch of as many batches as there are pictures every picture is shown equally often, and batches of one size follow each other, the sizes in a new order each time. Each size has a session of its own, of which one is loaded at a time: it is made anew once an epoch. What that takes is told the first time, and in all when the run is over (\`para show\`, run panel).

## Validation
The loss is measured at fixed timesteps with fixed noise on each picture's middle (in buckets: on its bucket). Held out are the pictures named in \`validation.pictures\`; where none are named, \`validation.share\` of them, chosen by seed and content, twins together. Of fewer than ten pictures none is held out unless a share is set: the loss on the training pictures is measured instead, and a note says so. A measurement is also made after the last step; a shorter run that is continued therefore has one more, which may be its best.

## Memory
Before anything is loaded a run is planned: what training, validation, samples and the encoding of pictures take is estimated from the graphs at the run's own sizes, batch, method, rank and precision, for the device that trains (the CPU provider may hold weights twice, CUDA holds them once), and held against the memory that is free on the device that trains. With \`training.memory\` \`"auto"\`, the default, it computes in \`fast\` where that fits and in \`lean\` where only that does, and says so with figures; what does not fit even so is refused with what is needed, what is there, and which smaller settings would fit. \`para train\` and the editor ask the machine that will train, before pictures are sent; there, what other work holds at that moment does not count against a run that would fit without it, since it may wait in the queue. Where memory ends on the way, such a run goes on in \`lean\`. \`"fast"\` and \`"lean"\` by name are tried in any case, with a note where they may fail.

Training, validation and sampler are sessions of their own, each with the U-Net's weights. With \`samples.memory\` \`"auto"\` their needs are estimated from the graphs at the run's own sizes and held against the memory that is free when the run starts (85 % of it; 4 GB are assumed where a device does not tell). Where they do not fit together they take turns: each is freed before the next is loaded, and of the sampler text encoders, U-Net and VAE one after the other, once for all prompts. Captions and pictures are encoded so in any case. The results are the same to the last bit on devices that repeat their bits; loading takes time at each turn.

Pictures are encoded before that: first captions, then, with the text encoders freed, pictures by the VAE, whose attention is fused from 512 x 512 pixels of SDXL on. Up to the area of 1024 x 1024 pixels a picture is encoded and drawn whole. A larger one runs in tiles of that size that share a quarter with their neighbours and are blended there, so that memory stays that of 1024 x 1024, an estimated 3.0 GB for encoding with SDXL's VAE and 5.2 GB for drawing, where the whole of 2048 x 2048 would take 19 and 20. Its norms see a tile at a time: nothing is moved and no seam is left, but shades differ a little from what the whole would give (with the pocket base, in tiles of 128 x 128 pixels of its 256 x 192: 3 of 255 on average).

## Devices
On what a run is computed is no part of the subject: \`para train --device NAME\`, or the editor's setting \`para.device\` ([devices](devices.md)).

## The subject
${head}${table(flat)}

${sections.join('\n\n')}
`;
// What the JSON service of editors understands beside JSON Schema.
const lenient = { allowComments: true, allowTrailingCommas: true };
const files = {
  'schemas/para.schema.json': `${JSON.stringify({ ...SubjectSchema, ...lenient }, null, 2)}\n`,
  'docs/training.md': guide,
};
for (const [name, text] of Object.entries(files)) {
  const path = join(root, name);
  const current = existsSync(path) && readFileSync(path, 'utf8') === text;
  if (process.argv.includes('--check')) {
    if (current) continue;
    console.error(`${name} is not current: run npm run schema`);
    process.exitCode = 1;
  } else writeFileSync(path, text);
}
