import type { Base } from '../../diffusion/base.ts';
import { openBase } from '../../diffusion/base.ts';
import { type BaseReport, checkBase } from '../../diffusion/base-check.ts';
import { listBases } from '../../diffusion/base-import.ts';
import { ByteChannel } from '../../protocol/byte-channel.ts';
import type { BaseCheck, BaseInfo } from '../../protocol/contract/bases.ts';
import { isValid } from '../../protocol/validate.ts';
import { toFailure } from '../failure.ts';
import { importFrom } from './import.ts';
import { isShipped } from './places.ts';
import { BaseTask, type TaskProgress } from './tasks.ts';

/** Reads one task from standard input and does it; ends at once when whoever asked is gone. */
export async function taskMain(): Promise<void> {
  const channel = new ByteChannel(process.stdin, process.stdout);
  const task: unknown = JSON.parse((await channel.readLine(64 << 20)) ?? 'null');
  if (!isValid(BaseTask, task)) throw new Error('no task');
  void channel.readLine().then(() => process.exit(1));
  const control = (progress: TaskProgress) => void channel.writeJson({ progress }).catch(() => {});
  try {
    await channel.writeJson({ result: await perform(task, control) });
  } catch (cause) {
    await channel.writeJson({ failure: toFailure(cause) });
  }
  process.exit(0);
}

async function perform(task: BaseTask, tell: (progress: TaskProgress) => void): Promise<unknown> {
  switch (task.task) {
    case 'list':
      return baseInfos();
    case 'hash':
      return openBase(task.name).hash;
    case 'check':
      return asData(await checkBase(task.name));
    case 'import': {
      const base = await importFrom(task, throttled(tell));
      tell({ phase: 'checking', doneBytes: 0 });
      return baseInfos().find(({ name }) => name === base.name);
    }
  }
}

const baseInfos = (): BaseInfo[] =>
  listBases().map(({ name, bytes, base, problem, directory }) => ({
    ...{ name, bytes, hash: base?.hash ?? '', shipped: isShipped(directory) },
    ...(base ? { architecture: base.architecture, width: base.width, height: base.height } : {}),
    ...(problem === undefined ? {} : { problem }),
  }));

/** At most ten notes a second, and every change of phase. */
function throttled(tell: (progress: TaskProgress) => void): (progress: TaskProgress) => void {
  let last = 0;
  let before: string | undefined;
  return (progress) => {
    const now = Date.now();
    const mark = `${progress.phase} ${progress.file ?? ''}`;
    if (now - last < 100 && mark === before) return;
    last = now;
    before = mark;
    tell(progress);
  };
}

/** A report as it travels: unknown dimensions are null, folders of the host stay there. */
function asData({ name, hash, base, parts, layers, memory, problems }: BaseReport): BaseCheck {
  const ports = (list: BaseReport['parts'][number]['inputs']) =>
    list.map((p) => ({ name: p.name, type: p.type, dims: p.dims.map((d) => d ?? null) }));
  return {
    name,
    ...(hash === undefined ? {} : { hash }),
    ...(base ? { facts: factsOf(base) } : {}),
    parts: parts.map(({ path: _, inputs, outputs, precision, notes, ...rest }) => ({
      ...rest,
      ...{ inputs: ports(inputs), outputs: ports(outputs), precision: [...precision], notes: [...notes] },
    })),
    ...(layers
      ? { layers: { ...layers, presets: { ...layers.presets }, unnamed: [...layers.unnamed] } }
      : {}),
    ...(memory ? { memory } : {}),
    problems: problems.map((problem) => ({ ...problem })),
  };
}

function factsOf(base: Base): NonNullable<BaseCheck['facts']> {
  const { architecture, width, height, sizeStep, latentChannels, vaeFactor, scalingFactor } = base;
  return {
    ...{ architecture, width, height, sizeStep, latentChannels, vaeFactor, scalingFactor },
    predictionType: base.predictionType,
    tokens: base.textEncoders.map((e) => e.tokens),
  };
}
