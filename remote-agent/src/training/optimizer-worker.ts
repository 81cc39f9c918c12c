// A thread beside the trainer's: does its part of every update of a large adapter.
import { workerData } from 'node:worker_threads';
import { helpOut, type Shared } from './optimizer-threads.ts';

helpOut(workerData as Shared);
