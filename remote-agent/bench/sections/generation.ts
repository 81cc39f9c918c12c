import { contest, type Outcome } from '../contest.ts';
import { megabytes } from '../numbers.ts';
import { markdown, type Section } from '../section.ts';
import { commands, environments, ratios } from './pytorch.ts';

/** Text to picture against a diffusers pipeline: same prompt, steps, scheduler, guidance and size. */
export const generation: Section<Outcome> = {
  name: 'generation',
  needsTorch: true,
  async measure({ base, torch, threads, say }) {
    const outcome = await contest(...commands({ kind: 'generate', base }, torch!, threads), {
      ...{ rounds: 7, blockMs: 1500, env: environments(threads) },
    });
    say(`generation: ${outcome.ratio.toFixed(2)} x as fast`);
    return [outcome];
  },
  table(rows) {
    return markdown(
      [
        ...['times as fast', 'least to most', 'best against best', 'ours, ms', 'diffusers, ms'],
        ...['our peak, MB', "diffusers' peak, MB"],
      ],
      rows.map((r) => [
        ...ratios(r),
        ...[r.ours.medianMs.toFixed(0), r.theirs.medianMs.toFixed(0)],
        ...[megabytes(r.ours.peakBytes), megabytes(r.theirs.peakBytes)],
      ]),
    );
  },
};
