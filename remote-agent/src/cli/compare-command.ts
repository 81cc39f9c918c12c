import { basename } from 'node:path';
import { openBase } from '../diffusion/base.ts';
import { adapterPath, loadAdapter, loadApplied, parameterCount } from './adapters.ts';
import { type CompareColumn, drawComparison } from './compare.ts';
import { adapterArgument, refuseExisting } from './generate.ts';
import { say } from './output.ts';
import { readPrompts } from './prompts.ts';

/** `para compare`: base and adapters side by side, each row from one noise. */
export async function compareCommand(
  adapters: readonly string[],
  options: {
    readonly prompts: string;
    readonly out: string;
    readonly base: string;
    readonly force?: boolean;
  },
): Promise<void> {
  refuseExisting(options.out, options.force);
  const base = openBase(options.base);
  const columns: CompareColumn[] = [{ title: 'base', note: base.name }];
  for (const text of adapters) {
    const { file, strength } = adapterArgument(text);
    const path = adapterPath(file);
    const adapter = loadAdapter(path);
    const { steps } = adapter.info;
    columns.push({
      title: `${adapter.method}${strength === 1 ? '' : ` x ${strength}`}`,
      note: `${steps === undefined ? basename(path) : `${steps} steps`}, ${parameterCount(adapter)} parameters`,
      adapter: loadApplied(path, strength, base),
    });
  }
  await drawComparison(base, columns, readPrompts(options.prompts), options.out);
  say(options.out);
}
