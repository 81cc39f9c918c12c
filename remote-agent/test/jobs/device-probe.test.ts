import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import {
  chooseDevice,
  type DeviceFinding,
  deviceFindings,
  findingText,
  probeDevice,
} from '../../src/jobs/device-probe.ts';
import { excused } from '../hosts/sshd.ts';
import { noSwiftShader, swiftShader } from '../runtime/swiftshader.ts';
import { bundleProgram } from './bundle.ts';

const folder = mkdtempSync(join(tmpdir(), 'para-probe-'));
const home = process.env.PARA_HOME;
process.env.PARA_HOME = join(folder, 'home');
afterAll(() => {
  if (home === undefined) delete process.env.PARA_HOME;
  else process.env.PARA_HOME = home;
});

let programs = 0;
/** A probe whose driver does this. */
function program(text: string): string {
  const path = join(folder, `probe${programs++}.mjs`);
  writeFileSync(path, text);
  return path;
}

const says = (answer: object) => `console.log('driver says hello');console.log('${JSON.stringify(answer)}');`;

describe('trying a device', () => {
  it('gives what its process says, whatever a driver printed before', async () => {
    const works = program(says({ works: true, speed: 7.5 }));
    expect(await probeDevice('webgpu', works)).toEqual({ device: 'webgpu', works: true, speed: 7.5 });
    const fails = program(says({ works: false, why: 'no adapter' }));
    expect(await probeDevice('webgpu', fails)).toEqual({ device: 'webgpu', works: false, why: 'no adapter' });
  });

  it('survives a driver that crashes, and says with what signal', async () => {
    const found = await probeDevice('webgpu', program("process.kill(process.pid, 'SIGSEGV');"));
    expect(found).toMatchObject({ works: false, why: expect.stringMatching(/SIGSEGV/) });
  });

  it('ends a driver that hangs', async () => {
    const found = await probeDevice('webgpu', program('for (;;);'), 700);
    expect(found).toMatchObject({ works: false, why: expect.stringMatching(/did not answer within 0.7 s/) });
  });

  it('takes no nonsense for an answer', async () => {
    for (const text of ['', "console.log('{')", 'console.log(\'{"works":"yes"}\')'])
      expect(await probeDevice('webgpu', program(text))).toMatchObject({ works: false });
    expect(await probeDevice('webgpu', join(folder, 'none.js'))).toMatchObject({
      why: expect.stringMatching(/not built/),
    });
  });
});

describe.skipIf(excused(noSwiftShader))('the probe of WebGPU', () => {
  // In the agent's folder, from where the child finds the runtime.
  const dist = fileURLToPath(new URL('../../dist', import.meta.url));
  mkdirSync(dist, { recursive: true });
  const built = mkdtempSync(join(dist, 'probe-'));
  const path = bundleProgram(new URL('../../src/jobs/device-probe-main.ts', import.meta.url), built);
  afterAll(() => rmSync(built, { recursive: true, force: true }));
  const { VK_DRIVER_FILES, LD_LIBRARY_PATH } = process.env;
  afterEach(() => {
    for (const [name, value] of Object.entries({ VK_DRIVER_FILES, LD_LIBRARY_PATH }))
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
  });

  it('finds that a driver in software works, far slower than the processor, so that "auto" leaves it', async () => {
    Object.assign(process.env, swiftShader);
    const found = await probeDevice('webgpu', path, 120_000);
    expect(found).toMatchObject({ works: true });
    expect(found.works && found.speed).toBeLessThan(0.2);
    expect(chooseDevice([found]).device).toBe('cpu');
  });

  it('says what to install where there is no driver', async () => {
    process.env.VK_DRIVER_FILES = join(folder, 'no-such-driver.json');
    const found = await probeDevice('webgpu', path, 120_000);
    expect(found).toMatchObject({ works: false, why: expect.stringMatching(/WebGPU adapter.*libvulkan1/) });
  });
});

describe('what devices are worth', () => {
  it('is found out once and remembered, until it is asked for again', async () => {
    const log = join(folder, 'tried');
    writeFileSync(log, '');
    const path = program(
      `import { appendFileSync } from 'node:fs'; appendFileSync(${JSON.stringify(log)}, process.argv[2] + '\\n');${says({ works: true, speed: 3 })}`,
    );
    const tried = () =>
      readFileSync(log, 'utf8')
        .split('\n')
        .filter((name) => name === 'webgpu').length;
    const found = await Promise.all([deviceFindings(false, path), deviceFindings(false, path)]);
    expect(found[1]).toEqual(found[0]);
    expect(await deviceFindings(false, path)).toEqual(found[0]);
    expect(tried()).toBe(1);
    await deviceFindings(true, path);
    expect(tried()).toBe(2);
    // Drivers are looked for elsewhere: another machine, as far as they are concerned.
    process.env.VK_DRIVER_FILES = `${folder}/other.json`;
    await deviceFindings(false, path);
    delete process.env.VK_DRIVER_FILES;
    expect(tried()).toBe(3);
  });

  const cuda = (speed: number): DeviceFinding => ({ device: 'cuda', works: true, speed });
  const webgpu = (speed: number): DeviceFinding => ({ device: 'webgpu', works: true, speed });
  const noCuda: DeviceFinding = { device: 'cuda', works: false, why: 'no NVIDIA GPU answers' };

  it('decides for "auto": CUDA, else WebGPU, and says how fast it is', () => {
    expect(chooseDevice([cuda(40), webgpu(30)]).device).toBe('cuda');
    const chosen = chooseDevice([noCuda, webgpu(8.14)]);
    expect(chosen).toMatchObject({
      device: 'webgpu',
      why: 'webgpu works and is 8.1 times as fast as the processor',
    });
  });

  it('never makes "auto" choose an adapter in software, or a GPU that is slower than the processor', () => {
    for (const speed of [0.003, 0.9, 1.2]) {
      const { device, why } = chooseDevice([noCuda, webgpu(speed)]);
      expect(device).toBe('cpu');
      expect(why).toMatch(/no NVIDIA GPU answers; webgpu works, but is only/);
    }
    expect(findingText(noCuda)).toBe('cuda does not work: no NVIDIA GPU answers');
  });
});
