import { type Static, Type } from '@sinclair/typebox';
import { defaultBase } from './name.ts';

const closed = { additionalProperties: false } as const;

const Picture = Type.Union([
  Type.String({ description: 'A picture, a folder of pictures, or a glob, relative to this file.' }),
  Type.Object(
    {
      file: Type.String({ description: 'One picture, relative to this file.' }),
      caption: Type.String({ description: 'What the picture shows; should hold the trigger word.' }),
    },
    closed,
  ),
]);

const Method = Type.Object(
  {
    name: Type.Optional(
      Type.Union([Type.Literal('para'), Type.Literal('lora')], {
        description: 'para: rank reduction, about 200 steps; lora: low-rank addition, about 1000 steps.',
        default: 'para',
      }),
    ),
    layers: Type.Optional(
      Type.Union([Type.String(), Type.Array(Type.String(), { minItems: 1 })], {
        description:
          'Which layers learn: attention, attention+ff, all-linear, author, or globs over module paths such as **.attn1.to_{q,k,v}.',
        default: 'attention',
      }),
    ),
    rank: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 1024,
        description:
          'Rank of every layer. LoRA: 16; PaRa: follows gamma unless given. Usual: 4 to 64 for LoRA.',
      }),
    ),
    gamma: Type.Optional(
      Type.Number({
        exclusiveMinimum: 0,
        maximum: 1,
        description:
          "PaRa: share of each layer's output dimensions that may be removed, at least one. Usual: 0.01 to 0.1.",
        default: 0.025,
      }),
    ),
    init: Type.Optional(
      Type.Union([Type.Literal('normal'), Type.Literal('kaiming')], {
        description: 'PaRa: how B starts. normal: N(0, 0.02); kaiming learns about seven times slower.',
        default: 'normal',
      }),
    ),
    scale: Type.Optional(
      Type.Union([Type.Number({ exclusiveMinimum: 0 }), Type.Literal('paper')], {
        description:
          'LoRA: the update is multiplied by this, instead of alpha / rank. Usual: 0.5 to 2; "paper" is 2.2, the LoRA baseline of the PaRa paper.',
      }),
    ),
    alpha: Type.Optional(
      Type.Number({
        exclusiveMinimum: 0,
        description:
          'LoRA: the update is scaled by alpha / rank. Usual: half the rank to the rank. Default: the rank (scale 1).',
      }),
    ),
  },
  { ...closed, description: 'What is learned, and where.' },
);

const Training = Type.Object(
  {
    steps: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 1_000_000,
        description:
          'Updates to make. PaRa: 200, LoRA: 1000. Usual: 100 to 400 for PaRa, 500 to 3000 for LoRA.',
      }),
    ),
    batch: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 64,
        description: 'Pictures a forward pass. Usual: 1 to 4.',
        default: 1,
      }),
    ),
    accumulation: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 256,
        description: 'Forward passes an update; their gradients are averaged. Usual: 1 to 8.',
        default: 1,
      }),
    ),
    learningRate: Type.Optional(
      Type.Number({
        exclusiveMinimum: 0,
        maximum: 10,
        description:
          'Size of an update. PaRa: 0.01, LoRA: 0.0003. Usual: 0.003 to 0.03 for PaRa, 0.0001 to 0.001 for LoRA.',
      }),
    ),
    schedule: Type.Optional(
      Type.Union([Type.Literal('constant'), Type.Literal('cosine'), Type.Literal('linear')], {
        description: 'How the learning rate falls over the run.',
        default: 'constant',
      }),
    ),
    warmup: Type.Optional(
      Type.Integer({
        minimum: 0,
        description:
          'Updates over which the learning rate rises from zero. Usual: none to a tenth of the steps.',
        default: 0,
      }),
    ),
    memory: Type.Optional(
      Type.Union([Type.Literal('auto'), Type.Literal('fast'), Type.Literal('lean')], {
        description:
          'fast: keep all activations; lean: compute most of them again for the backward pass (slower, less memory); auto: fast where the free memory holds it, else lean. The results are the same.',
        default: 'auto',
      }),
    ),
    precision: Type.Optional(
      Type.Union([Type.Literal('auto'), Type.Literal('f32'), Type.Literal('f16')], {
        description:
          'f32: computed in single precision; f16: in half precision, sums, norms, loss, adapter and optimiser in single; auto: f16 on CUDA for bases that are stored in half precision, else f32. Samples are drawn in it too.',
        default: 'auto',
      }),
    ),
    optimizer: Type.Optional(
      Type.Union([Type.Literal('adamw'), Type.Literal('sgd')], {
        description: 'The update rule.',
        default: 'adamw',
      }),
    ),
    weightDecay: Type.Optional(
      Type.Number({
        minimum: 0,
        maximum: 1,
        description: 'Decoupled weight decay. Usual: 0 to 0.01.',
        default: 0,
      }),
    ),
    beta1: Type.Optional(
      Type.Number({
        minimum: 0,
        exclusiveMaximum: 1,
        description: 'AdamW: memory of the mean.',
        default: 0.9,
      }),
    ),
    beta2: Type.Optional(
      Type.Number({
        minimum: 0,
        exclusiveMaximum: 1,
        description: 'AdamW: memory of the square.',
        default: 0.999,
      }),
    ),
    epsilon: Type.Optional(
      Type.Number({ exclusiveMinimum: 0, description: 'AdamW: keeps the division finite.', default: 1e-8 }),
    ),
    clip: Type.Optional(
      Type.Number({
        minimum: 0,
        description: 'Largest gradient norm; 0: no limit. Usual: 0.5 to 2.',
        default: 1,
      }),
    ),
    seed: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: Number.MAX_SAFE_INTEGER,
        description: 'Start of all randomness.',
        default: 0,
      }),
    ),
    minSnrGamma: Type.Optional(
      Type.Union([Type.Number({ exclusiveMinimum: 0 }), Type.Null()], {
        description:
          'Weighs timesteps by min(snr, gamma) / snr; null: every timestep alike. Usual: null, or 1 to 10.',
        default: null,
      }),
    ),
    noiseOffset: Type.Optional(
      Type.Number({
        minimum: 0,
        maximum: 1,
        description: 'Adds a constant shift a channel to the noise. Usual: 0 to 0.1.',
        default: 0,
      }),
    ),
    captionDropout: Type.Optional(
      Type.Number({
        minimum: 0,
        maximum: 1,
        description: 'Share of steps that see an empty caption. Usual: 0 to 0.1.',
        default: 0,
      }),
    ),
    resolution: Type.Optional(
      Type.Integer({
        minimum: 8,
        maximum: 4096,
        description:
          "Side of the training pictures in pixels. Usual: half the base's own to the base's own. Default: the base's own.",
      }),
    ),
    crop: Type.Optional(
      Type.Union([Type.Literal('center'), Type.Literal('random'), Type.Literal('buckets')], {
        description:
          'How pictures that are not square are shown. center: their middle; random: several random parts; buckets: nearly whole, in sizes of about the same area (each size needs a training session of its own).',
        default: 'center',
      }),
    ),
    crops: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 64,
        description: 'Parts shown of each picture with random cropping. Usual: 2 to 8.',
        default: 4,
      }),
    ),
    flip: Type.Optional(Type.Boolean({ description: 'Also show each picture mirrored.', default: false })),
  },
  { ...closed, description: 'How it is learned.' },
);

const Samples = Type.Object(
  {
    prompts: Type.Optional(Type.Array(Type.String(), { description: 'Prompts drawn during training.' })),
    every: Type.Optional(
      Type.Integer({
        minimum: 0,
        description: 'Steps between samples; 0: none. Usual: 25 to 200.',
        default: 100,
      }),
    ),
    steps: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 1000,
        description: 'Denoising steps of a sample. Usual: 20 to 50.',
        default: 30,
      }),
    ),
    guidance: Type.Optional(
      Type.Number({ minimum: 1, maximum: 50, description: 'Guidance scale. Usual: 3 to 9.', default: 5 }),
    ),
    scheduler: Type.Optional(Type.String({ description: 'Sampler of the samples.', default: 'ddim' })),
    seed: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: Number.MAX_SAFE_INTEGER,
        description: "Seed of the first sample's noise.",
        default: 42,
      }),
    ),
    memory: Type.Optional(
      Type.Union([Type.Literal('auto'), Type.Literal('beside'), Type.Literal('turns')], {
        description:
          'Where sampler and validation are kept. beside: loaded next to the training session; turns: one at a time, loaded anew each time; auto: beside where the memory at hand holds them all. The results are the same.',
        default: 'auto',
      }),
    ),
  },
  { ...closed, description: 'Pictures drawn while it trains.' },
);

const Validation = Type.Object(
  {
    pictures: Type.Optional(
      Type.Array(Type.String(), { description: 'Pictures kept out of training, to measure the loss on.' }),
    ),
    share: Type.Optional(
      Type.Union(
        [
          Type.Literal('auto'),
          Type.Number({
            minimum: 0,
            exclusiveMaximum: 1,
            description: 'a share from 0 to below 1, or "auto"',
          }),
        ],
        {
          description:
            'Share of the pictures that is kept out of training where none are named. auto: one of ten, from ten pictures on. Usual: 0.1 to 0.25.',
          default: 'auto',
        },
      ),
    ),
    every: Type.Optional(
      Type.Integer({
        minimum: 0,
        description: 'Steps between measurements; 0: none. Usual: 25 to 100.',
        default: 50,
      }),
    ),
    timesteps: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 100,
        description: 'Fixed timesteps measured for each picture. Usual: 5 to 10.',
        default: 7,
      }),
    ),
  },
  { ...closed, description: 'Loss on fixed noise, comparable between steps and runs.' },
);

const Checkpoints = Type.Object(
  {
    every: Type.Optional(
      Type.Integer({ minimum: 1, description: 'Steps between saved states. Usual: 25 to 200.', default: 50 }),
    ),
    keep: Type.Optional(
      Type.Array(Type.Integer({ minimum: 1 }), {
        description: 'Steps whose adapter is kept for good.',
        default: [],
      }),
    ),
    best: Type.Optional(
      Type.Boolean({
        description:
          'Keep the adapter of the lowest validation loss as checkpoints/best.safetensors. Default: where pictures are held out.',
      }),
    ),
  },
  { ...closed, description: 'What is saved on the way.' },
);

/** The subject file `NAME.para.json`: the single source of its types, its validation and the published JSON Schema. */
export const SubjectSchema = Type.Object(
  {
    $schema: Type.Optional(Type.String()),
    name: Type.Optional(
      Type.String({ minLength: 1, description: "Name of the subject. Default: the file's name." }),
    ),
    base: Type.Optional(
      Type.String({ minLength: 1, description: 'Base model: a name or a path.', default: defaultBase }),
    ),
    pictures: Type.Array(Picture, {
      minItems: 1,
      description: 'The pictures of the subject, five or six are enough.',
    }),
    trigger: Type.Optional(
      Type.String({ minLength: 1, description: 'A rare word that will mean the subject.', default: 'zwx' }),
    ),
    class: Type.String({ minLength: 1, description: 'What kind of thing it is: dog, teapot, person.' }),
    background: Type.Optional(
      Type.String({
        pattern: '^#[0-9a-fA-F]{6}$',
        description: 'Colour behind transparent parts of pictures, #rrggbb.',
        default: '#ffffff',
      }),
    ),
    thumbnail: Type.Optional(
      Type.Boolean({
        description: 'Put a small copy of the first picture into the adapter file.',
        default: true,
      }),
    ),
    method: Type.Optional(Method),
    training: Type.Optional(Training),
    samples: Type.Optional(Samples),
    validation: Type.Optional(Validation),
    checkpoints: Type.Optional(Checkpoints),
  },
  {
    ...closed,
    $id: 'para.schema.json',
    title: 'PaRa Studio subject',
    description: 'A subject to personalise a text-to-image model on.',
  },
);

/** A subject file as written, before defaults. */
export type SubjectFile = Static<typeof SubjectSchema>;
export type MethodName = 'para' | 'lora';
