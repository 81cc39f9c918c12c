// The program behind `npm run gpu-check`: options as JSON.
import { check } from './main.ts';
import type { GpuOptions } from './stage.ts';

process.exitCode = await check(JSON.parse(process.argv[2]!) as GpuOptions);
