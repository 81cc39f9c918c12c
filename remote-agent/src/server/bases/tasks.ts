import { type Static, Type } from '@sinclair/typebox';
import { adapterRequests } from '../../protocol/contract/adapters.ts';
import { type BaseCheck, type BaseInfo, BaseProgress, BaseSource } from '../../protocol/contract/bases.ts';
import type { RunMemory } from '../../protocol/contract/jobs.ts';
import { Failure, type Result } from '../../protocol/contract.ts';
import { BaseName, RequestId } from '../../protocol/names.ts';
import { WireSpec } from '../../protocol/spec.ts';

/**
 * Work on bases that takes its time: reading gigabytes, loading models, downloading, exporting with their weights. It runs in a process of its own,
 * so that the agent goes on answering, and so that to cancel it is to end that process.
 */
export const BaseTask = Type.Union([
  Type.Object({ task: Type.Literal('list') }),
  Type.Object({ task: Type.Literal('hash'), name: BaseName }),
  Type.Object({ task: Type.Literal('check'), name: BaseName, full: Type.Boolean() }),
  Type.Object({
    task: Type.Literal('import'),
    id: RequestId,
    name: Type.Optional(BaseName),
    source: BaseSource,
  }),
  Type.Object({ task: Type.Literal('plan'), spec: WireSpec }),
  Type.Object({ task: Type.Literal('export'), how: adapterRequests['adapters/export'].params }),
]);
export type BaseTask = Static<typeof BaseTask>;

/** What each task ends with. */
export interface TaskResult {
  readonly list: BaseInfo[];
  readonly hash: string;
  readonly check: BaseCheck;
  readonly import: BaseInfo;
  readonly plan: RunMemory;
  readonly export: Result<'adapters/export'>;
}

export type TaskProgress = Omit<BaseProgress, 'id'>;

/** Lines of the process: progress, then a result or a failure. */
export const TaskLine = Type.Union([
  Type.Object({ progress: Type.Omit(BaseProgress, ['id']) }),
  Type.Object({ result: Type.Unknown() }),
  Type.Object({ failure: Failure }),
]);
