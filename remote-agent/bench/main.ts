// Started by scripts/bench.mjs, one process a case: the case as JSON in, its result as JSON out.
import { measureStep } from './step.ts';

console.log(JSON.stringify(await measureStep(JSON.parse(process.argv[2]!))));
