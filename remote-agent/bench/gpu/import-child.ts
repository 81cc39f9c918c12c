// Imports a checkpoint as `para base import` does; JSON in, JSON out.
import { importBase } from '../../src/diffusion/base-import.ts';
import { resident } from '../memory.ts';

const { path, name } = JSON.parse(process.argv[2]!) as { path: string; name: string };
const begin = performance.now();
importBase(path, name);
const ms = performance.now() - begin;
process.stdout.write(`${JSON.stringify({ ms, peakBytes: resident('VmHWM') })}\n`);
