import { basename } from 'node:path';
import { adapterArgument, describeAdapter } from './adapters.ts';
import { type CompareColumn, drawComparison, readRows } from './compare.ts';
import type { DeviceOption } from './devices.ts';
import { refuseExisting } from './generate.ts';
import { openStudio } from './open-studio.ts';
import { say } from './output.ts';

/** `para compare`: base and adapters side by side, each row from one noise. */
export async function compareCommand(
  adapters: readonly string[],
  options: {
    readonly prompts: string;
    readonly out: string;
    readonly base: string;
    readonly force?: boolean;
    readonly device?: DeviceOption;
    readonly host?: string;
  },
): Promise<void> {
  refuseExisting(options.out, options.force);
  const rows = readRows(options.prompts);
  const columns = adapters.map(adapterArgument).map((adapter): CompareColumn => {
    const { file, strength } = adapter;
    const { method, steps, parameters } = describeAdapter(file);
    return {
      title: `${method}${strength === 1 ? '' : ` x ${strength}`}`,
      note: [steps === undefined ? basename(file) : `${steps} steps`, `${parameters} parameters`].join(', '),
      adapter,
    };
  });
  const studio = await openStudio(options.base, options);
  try {
    await drawComparison(studio, [{ title: 'base', note: studio.base.name }, ...columns], rows, options.out);
  } finally {
    await studio.close();
  }
  say(options.out);
}
