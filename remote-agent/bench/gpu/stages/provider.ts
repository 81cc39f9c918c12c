import { mkdirSync } from 'node:fs';
import type { Stage } from '../stage.ts';

export const provider: Stage = {
  name: 'provider',
  seconds: 10,
  async run(context) {
    mkdirSync(context.options.work, { recursive: true });
    const said = await context.program('gpu-provider', { device: context.options.device });
    return { kind: 'facts', facts: JSON.parse(said) as Record<string, string | number> };
  },
};
