import { type Static, Type } from '@sinclair/typebox';
import { DrawRequest, GenerationProgress, generationRequests } from '../../protocol/contract/generation.ts';
import { Failure } from '../../protocol/contract.ts';

/** What an agent asks a generator, one line on a connection of its own; closing the connection gives the request up. */
export const Ask = Type.Union([
  Type.Object({
    op: Type.Literal('draw'),
    request: DrawRequest,
    /** Files of the adapters of the request, then of those beside, in their order. */
    files: Type.Array(Type.String()),
  }),
  /** Makes room for another generator: ends this one unless it draws. */
  Type.Object({ op: Type.Literal('leave') }),
]);
export type Ask = Static<typeof Ask>;

/** What a generator answers, a line each; pictures or a failure come last. */
export const Answer = Type.Union([
  Type.Object({ progress: GenerationProgress.properties.progress }),
  Type.Object({ pictures: generationRequests['generation/draw'].result.properties.pictures }),
  Type.Object({ failure: Failure }),
]);
export type Answer = Static<typeof Answer>;
export type Progress = GenerationProgress['progress'];
export type Drawn = Extract<Answer, { pictures: unknown }>['pictures'];
