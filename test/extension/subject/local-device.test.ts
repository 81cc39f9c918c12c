import { describe, expect, it } from 'vitest';
import type { Devices } from '../../../remote-agent/src/protocol/contract/host.ts';
import { type DeviceWish, localDevice } from '../../../src/subject/local-device.ts';

const gpu: Devices = {
  device: 'webgpu',
  why: 'webgpu works',
  findings: [{ device: 'webgpu', works: true, speed: 9 }],
};
const none: Devices = { device: 'cpu', why: 'no adapter', findings: [] };

/** A choice, with what was asked and kept on the way. */
async function chosen(wish: DeviceWish, found: Devices, answer?: 'gpu' | 'processor') {
  const seen = { found: 0, asked: 0, kept: [] as DeviceWish[] };
  const device = await localDevice(wish, {
    find: async () => {
      seen.found++;
      return found;
    },
    ask: async () => {
      seen.asked++;
      return answer;
    },
    remember: async (kept) => {
      seen.kept.push(kept);
    },
  });
  return { device, ...seen };
}

describe('what this machine computes on', () => {
  it('is asked once where a GPU is worth it, and the answer is kept', async () => {
    expect(await chosen('ask', gpu, 'gpu')).toEqual({ device: 'webgpu', found: 1, asked: 1, kept: ['gpu'] });
    expect(await chosen('ask', gpu, 'processor')).toMatchObject({ device: 'cpu', kept: ['processor'] });
    expect(await chosen('gpu', gpu)).toMatchObject({ device: 'webgpu', asked: 0 });
  });

  it('is the processor without a question where there is no such GPU, kept choice or not', async () => {
    for (const wish of ['ask', 'gpu'] as const)
      expect(await chosen(wish, none)).toEqual({ device: 'cpu', found: 1, asked: 0, kept: [] });
  });

  it('is the processor without a look at drivers for whoever wants it so', async () => {
    expect(await chosen('processor', gpu)).toEqual({ device: 'cpu', found: 0, asked: 0, kept: [] });
  });

  it('is nothing, and nothing is kept, where the question is closed', async () => {
    expect(await chosen('ask', gpu, undefined)).toMatchObject({ device: undefined, kept: [] });
  });
});
