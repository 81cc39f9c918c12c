// Started by gpus.test.ts where PATH lacks the driver's tool: prints what is found out about GPUs all the same.
import { gpus } from '../../src/jobs/gpus.ts';
import { memoryAtHand, memoryInAll, othersOn } from '../../src/runtime/memory.ts';

const free = memoryAtHand('cuda');
console.log(JSON.stringify({ free, all: memoryInAll('cuda'), gpus: await gpus(), others: othersOn('cuda') }));
