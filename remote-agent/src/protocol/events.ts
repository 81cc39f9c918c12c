import { type Static, type TProperties, Type } from '@sinclair/typebox';
import { JobFile } from './names.ts';

const Text = Type.String({ maxLength: 100_000 });
const Step = Type.Integer({ minimum: 0 });
// Infinity and NaN do not exist in JSON; they arrive as null.
const Real = Type.Union([Type.Number(), Type.Null()]);

/** Members are left open: an agent that is newer may say more. */
const event = <N extends string, P extends TProperties>(type: N, properties: P) =>
  Type.Object({
    seq: Type.Integer({ minimum: 1 }),
    time: Type.String({ maxLength: 40 }),
    type: Type.Literal(type),
    ...properties,
  });

/** An event of a job as it travels; files are named relative to the job's folder. */
export const WireEvent = Type.Union([
  event('started', { steps: Step, parameters: Step, layers: Step }),
  event('resumed', { fromStep: Step }),
  event('phase', { name: Text }),
  event('step', {
    step: Step,
    loss: Real,
    smoothedLoss: Real,
    learningRate: Real,
    gradientNorm: Real,
    seconds: Real,
    memoryBytes: Real,
  }),
  event('validation', { step: Step, loss: Real }),
  event('sample', { step: Step, prompt: Text, seed: Type.Number(), file: JobFile }),
  event('checkpoint', { step: Step, file: JobFile, best: Type.Optional(Type.Literal(true)) }),
  event('saved', { step: Step, file: JobFile }),
  event('note', { message: Text }),
  event('error', {
    code: Type.Optional(Type.String({ maxLength: 100 })),
    message: Text,
    where: Type.Optional(Text),
    hint: Type.Optional(Text),
  }),
  event('stopped', { step: Step, file: Type.Optional(JobFile) }),
  event('finished', {
    step: Step,
    seconds: Real,
    file: JobFile,
    sizeChanges: Type.Optional(Type.Object({ count: Step, seconds: Real })),
  }),
]);
export type WireEvent = Static<typeof WireEvent>;
