import { openBase } from '../../diffusion/base.ts';
import { checkBase } from '../../diffusion/base-check.ts';
import { beginTask } from '../../jobs/idle-command.ts';
import { fromWireSpec } from '../../jobs/wire.ts';
import { ByteChannel } from '../../protocol/byte-channel.ts';
import { isValid } from '../../protocol/validate.ts';
import { planSpec } from '../../training/run-plan.ts';
import { toFailure } from '../failure.ts';
import { exportHere } from './export.ts';
import { importFrom } from './import.ts';
import { baseCheck, baseInfos, runMemory } from './reports.ts';
import { BaseTask, type TaskProgress } from './tasks.ts';

/** Reads one task from standard input and does it; ends at once when whoever asked is gone. */
export async function taskMain(): Promise<void> {
  const channel = new ByteChannel(process.stdin, process.stdout);
  const task: unknown = JSON.parse((await channel.readLine(64 << 20)) ?? 'null');
  if (!isValid(BaseTask, task)) throw new Error('no task');
  void channel.readLine().then(() => process.exit(1));
  const control = (progress: TaskProgress) => void channel.writeJson({ progress }).catch(() => {});
  // A machine that does this is not idle. Lists are asked for by whoever looks, now and then.
  const done = task.task === 'list' ? () => {} : beginTask();
  try {
    const result = await perform(task, control);
    done();
    await channel.writeJson({ result });
  } catch (cause) {
    done();
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
      return baseCheck(await checkBase(task.name, { full: task.full }));
    case 'plan':
      return runMemory(planSpec(fromWireSpec(task.spec)));
    case 'export':
      return exportHere(task.how);
    case 'import': {
      const base = await importFrom(task, throttled(tell));
      tell({ phase: 'checking', doneBytes: 0 });
      return baseInfos().find(({ name }) => name === base.name);
    }
  }
}

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
