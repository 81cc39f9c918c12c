import type { Stage } from '../stage.ts';
import { compiled, contests, furtherContests, runOf } from './contests.ts';
import { checkpoint, largeCpu, largeLora, largePara } from './large.ts';
import { provider } from './provider.ts';
import { reference, small, webgpu } from './small.ts';

/** All stages in the order in which they run: what is worth most first, since time may end. */
export const stages: readonly Stage[] = [
  ...[provider, reference, small, checkpoint, largePara],
  ...contests,
  ...[runOf('para'), compiled, largeCpu, largeLora, webgpu, runOf('lora')],
  ...furtherContests,
];
