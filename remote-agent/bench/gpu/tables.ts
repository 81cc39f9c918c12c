// Without a card: takes results over that were made elsewhere, tells how far the CUDA provider loads, writes the page.
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { lastWords, runtimeWords } from '../last-words.ts';
import { pageOf } from './page.ts';
import { merged, readResults, writeResults } from './results.ts';

interface TableOptions {
  readonly results: string;
  readonly page: string;
  /** A file of results to merge. */
  readonly take?: string;
  /** Load the provider and say what it says. */
  readonly provider?: { readonly programs: string; readonly libraries: readonly string[] };
}

const { results, page, take, provider } = JSON.parse(process.argv[2]!) as TableOptions;
if (provider) {
  const done = spawnSync(
    process.execPath,
    [join(provider.programs, 'gpu-provider.js'), JSON.stringify({ device: 'cuda' })],
    { encoding: 'utf8', env: { ...process.env, LD_LIBRARY_PATH: provider.libraries.join(':') } },
  );
  const said = runtimeWords(done.stderr) ?? lastWords(done.stderr);
  console.log(
    `The CUDA provider says: ${done.status === 0 ? 'it computed, without a GPU that nvidia-smi knows' : said}`,
  );
}
if (take) {
  const brought = readResults(take);
  if (!brought.card?.gpu || brought.card.widths !== 'full') {
    console.error(`${take} holds no results of a card at full size.`);
    process.exit(2);
  }
  writeResults(results, merged(readResults(results), brought));
}
writeFileSync(page, pageOf(readResults(results)));
const { card } = readResults(results);
console.log(`Written: ${page}, ${card ? `from results of ${card.gpu}` : 'whose tables stand empty'}`);
