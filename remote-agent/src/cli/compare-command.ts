import { basename } from 'node:path';
import { applied } from '../diffusion/applied.ts';
import { openBase } from '../diffusion/base.ts';
import { adapterArgument, loadAdapter, parameterCount } from './adapters.ts';
import { type CompareColumn, drawComparison, readRows } from './compare.ts';
import { refuseExisting } from './generate.ts';
import { say } from './output.ts';

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
  for (const wanted of adapters.map(adapterArgument)) {
    const { file, strength } = wanted;
    const adapter = loadAdapter(file, base);
    const { steps } = adapter.info;
    columns.push({
      title: `${adapter.method}${strength === 1 ? '' : ` x ${strength}`}`,
      note: `${steps === undefined ? basename(file) : `${steps} steps`}, ${parameterCount(adapter)} parameters`,
      adapter: applied(adapter, wanted.strength, wanted.file),
    });
  }
  await drawComparison(base, columns, readRows(options.prompts, base), options.out);
  say(options.out);
}
