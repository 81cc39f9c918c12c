import { expect, it } from 'vitest';
import { awaitMemory, type Surroundings } from '../../src/server/generation/memory-gate.ts';

interface Look {
  free: number | undefined;
  training?: boolean;
  others?: string;
}

/** A device whose free memory and training are what the test says at each look. */
function device(looks: Look[]) {
  let look = 0;
  let asked = 0;
  const now = () => looks[Math.min(look, looks.length - 1)]!;
  const around: Surroundings = {
    free: async () => now().free,
    others: () => now().others,
    share: 0.8,
    training: () => {
      const { training = false } = now();
      look++;
      return training;
    },
    makeRoom: () => {
      asked++;
    },
    grace: 300,
  };
  return { around, asked: () => asked };
}
const GB = 1e9;
const draw = (
  around: Surroundings,
  tell: (reason: string) => void = () => {},
  given: () => void = () => {},
) => awaitMemory(4 * GB, 'Drawing 512 x 512 with "base"', around, tell, given);

it('draws at once where there is room, or nobody can tell', async () => {
  await draw(device([{ free: 8 * GB }]).around);
  await draw(device([{ free: undefined }]).around);
});

it('waits while training holds the memory, says why once, and goes on when it is given back', async () => {
  const said: string[] = [];
  const busy = { free: GB, training: true };
  const { around, asked } = device([busy, busy, { free: 8 * GB }]);
  await draw(around, (reason) => said.push(reason));
  expect(said).toEqual([
    'Drawing 512 x 512 with "base" needs about 5.0 GB, and 1.0 GB are free: it waits until training has ended',
  ]);
  expect(asked()).toBe(1);
});

it('asks idle generators for their memory, and draws when they have left', async () => {
  const { around, asked } = device([{ free: GB }, { free: 8 * GB }]);
  await draw(around);
  expect(asked()).toBe(1);
});

it('says what is missing where nobody is going to give it back', async () => {
  const others = 'python3 (process 4711, 20.1 GB)';
  await expect(draw(device([{ free: GB, others }]).around)).rejects.toMatchObject({
    code: 'device',
    where: expect.stringContaining(`needs about 5.0 GB, and 1.0 GB are free; also on the device: ${others}`),
    hint: expect.stringContaining('smaller picture'),
  });
});

it('waits no longer for a request that was given up', async () => {
  let looks = 0;
  const given = () => {
    if (++looks > 1) throw new Error('given up');
  };
  await expect(draw(device([{ free: GB, training: true }]).around, () => {}, given)).rejects.toThrow(
    'given up',
  );
});
