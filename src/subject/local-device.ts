import type { Devices } from '../../remote-agent/src/protocol/contract/host.ts';

type DeviceName = Devices['device'];

/** What the setting "para.device" may say. */
export type DeviceWish = 'ask' | 'processor' | 'gpu';

/** What choosing a device needs of its surroundings. */
export interface DeviceQuestions {
  /** What this machine's devices are worth; trying them may take a while the first time. */
  readonly find: () => Promise<Devices>;
  /** Whether to compute on this GPU; `undefined` where the person gave up. */
  readonly ask: (found: Devices) => Promise<Exclude<DeviceWish, 'ask'> | undefined>;
  /** Keeps the answer for the next time. */
  readonly remember: (answer: DeviceWish) => Promise<void>;
}

/**
 * The device of this machine that a run is computed on: the processor, or a GPU where there is one that is worth it and
 * the person wants it. Asked once; where there is nothing to choose, nobody is asked.
 * @returns `undefined` where the person gave up
 */
export async function localDevice(
  wish: DeviceWish,
  { find, ask, remember }: DeviceQuestions,
): Promise<DeviceName | undefined> {
  if (wish === 'processor') return 'cpu';
  const found = await find();
  if (found.device === 'cpu' || wish === 'gpu') return found.device;
  const answer = await ask(found);
  if (answer === undefined) return undefined;
  await remember(answer);
  return answer === 'gpu' ? found.device : 'cpu';
}
