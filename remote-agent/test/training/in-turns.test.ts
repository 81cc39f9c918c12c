import { InferenceSession } from 'onnxruntime-node';
import { afterEach, expect, it, vi } from 'vitest';
import { placesFor } from './places.ts';
import { paintAll, run, tinySpec } from './runs.ts';

const place = placesFor('in-turns');
afterEach(() => vi.restoreAllMocks());

/** Which part of a run a session is, by what it is fed and gives. */
function partOf({ inputNames, outputNames }: InferenceSession): string {
  if (inputNames.includes('input_ids')) return 'text encoders';
  if (outputNames.includes('para.gradient')) return 'training';
  if (outputNames.includes('para.loss')) return 'validation';
  if (inputNames.includes('timestep')) return 'U-Net that draws';
  return outputNames.some((name) => name.startsWith('latent')) ? 'VAE encoder' : 'VAE decoder';
}

/** Lets the runtime load what it is asked to, and notes which parts are loaded whenever one more is. */
function watchSessions(): { loaded: string[]; together: Set<string> } {
  const live: string[] = [];
  const loaded: string[] = [];
  const together = new Set<string>();
  const create = InferenceSession.create.bind(InferenceSession) as (
    ...what: unknown[]
  ) => Promise<InferenceSession>;
  vi.spyOn(InferenceSession, 'create').mockImplementation(async (...what: unknown[]) => {
    const made = await create(...what);
    const part = partOf(made);
    live.push(part);
    if (loaded.at(-1) !== part) loaded.push(part);
    const parts = [...new Set(live)];
    if (parts.length > 1) together.add(parts.sort().join(' + '));
    const release = made.release.bind(made);
    made.release = async () => {
      live.splice(live.indexOf(part), 1);
      await release();
    };
    return made;
  });
  return { loaded, together };
}

const settings = (memory: 'turns' | 'beside') => ({
  method: { name: 'lora' },
  training: { steps: 2 },
  validation: { every: 2 },
  samples: { every: 2, steps: 2, prompts: ['a thing', 'a zwx thing'], memory },
});

it('a run in turns has one of its parts loaded at any time, and loads each once for all prompts', async () => {
  const directory = place();
  await paintAll(directory, [[16, 16]]);
  const { loaded, together } = watchSessions();
  await run(directory, 'turns', tinySpec(directory, settings('turns')));
  expect([...together]).toEqual([]);
  expect(loaded).toEqual([
    ...['text encoders', 'VAE encoder', 'training', 'validation'],
    ...['text encoders', 'U-Net that draws', 'VAE decoder'],
  ]);
});

it('side by side keeps them', async () => {
  const directory = place();
  await paintAll(directory, [[16, 16]]);
  const { together } = watchSessions();
  await run(directory, 'beside', tinySpec(directory, settings('beside')));
  expect([...together].at(-1)).toBe('U-Net that draws + VAE decoder + text encoders + training + validation');
});
