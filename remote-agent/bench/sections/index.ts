import type { Section } from '../section.ts';
import { basis } from './basis.ts';
import { editor } from './editor.ts';
import { generation } from './generation.ts';
import { host } from './host.ts';
import { largeAdapter } from './large-adapter.ts';
import { link } from './link.ts';
import { memory } from './memory.ts';
import { pytorch } from './pytorch.ts';
import { startup } from './startup.ts';
import { step } from './step.ts';

/** Everything that `npm run bench` measures, in the order of the page. */
export const sections = [
  step,
  memory,
  pytorch,
  generation,
  host,
  startup,
  basis,
  largeAdapter,
  link,
  editor,
] as readonly Section[];
