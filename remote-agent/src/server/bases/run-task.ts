import { spawn } from 'node:child_process';
import { type ErrorCode, ParaError } from '../../common/errors.ts';
import { ByteChannel } from '../../protocol/byte-channel.ts';
import { isValid } from '../../protocol/validate.ts';
import { type BaseTask, TaskLine, type TaskProgress, type TaskResult } from './tasks.ts';

/**
 * Runs a task in a process of its own. The task, a token in it included, goes over its standard input alone.
 * @throws ParaError what the task throws, `cancelled`
 */
export async function runTask<T extends BaseTask>(
  bundle: string,
  task: T,
  tell: (progress: TaskProgress) => void = () => {},
  signal?: AbortSignal,
): Promise<TaskResult[T['task']]> {
  const child = spawn(process.execPath, [bundle, 'task'], { stdio: ['pipe', 'pipe', 'pipe'] });
  let said = '';
  child.stderr.on('data', (part: Buffer) => {
    said = (said + part.toString()).slice(-2000);
  });
  const end = () => child.kill('SIGKILL');
  signal?.addEventListener('abort', end);
  try {
    const channel = new ByteChannel(child.stdout, child.stdin);
    await channel.writeJson(task);
    for (let line = await channel.readLine(64 << 20); line !== undefined; line = await channel.readLine()) {
      // Libraries may print what they like.
      if (!line.startsWith('{')) continue;
      const message: unknown = JSON.parse(line);
      if (!isValid(TaskLine, message)) continue;
      if ('progress' in message) tell(message.progress);
      else if ('result' in message) return message.result as TaskResult[T['task']];
      else {
        const { code, what, where, hint } = message.failure;
        throw new ParaError(code as ErrorCode, what, {
          ...(where ? { where } : {}),
          ...(hint ? { hint } : {}),
        });
      }
    }
  } catch (cause) {
    if (cause instanceof ParaError) throw cause;
    // A stream that broke says less than the process did.
  } finally {
    signal?.removeEventListener('abort', end);
    end();
  }
  if (signal?.aborted)
    throw new ParaError('cancelled', 'The import was cancelled', {
      hint: 'what was downloaded is kept for the next try',
    });
  throw new ParaError('host', 'Work on a base ended unexpectedly', {
    where: said.trim().split('\n').at(-1)!.slice(0, 300),
    hint: 'memory is the usual reason',
  });
}
