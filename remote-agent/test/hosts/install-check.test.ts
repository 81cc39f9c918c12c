import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { ParaError } from '../../src/common/errors.ts';
import { inEnglish } from '../../src/common/translate.ts';
import { type CheckRow, checkRows, failureRows } from '../../src/hosts/install/check.ts';
import type { HostLock } from '../../src/hosts/install/lock.ts';
import { versionName } from '../../src/hosts/install/names.ts';
import type { HostPackage } from '../../src/hosts/install/package.ts';
import { planSetup, requireInstallable } from '../../src/hosts/install/plan.ts';
import { type HostProbe, probeHost, readFacts } from '../../src/hosts/install/probe.ts';
import { SetupMessage } from '../../src/hosts/install/request.ts';
import { sendFile } from '../../src/hosts/install/shell.ts';
import { uninstallAgent } from '../../src/hosts/install/uninstall.ts';
import type { Transport } from '../../src/hosts/transports/transport.ts';
import { isValid } from '../../src/protocol/validate.ts';
import { sentinel } from '../../src/protocol/version.ts';
import { deviceByName, deviceError } from '../../src/runtime/device.ts';
import { checkout } from './install/program.ts';

const read = (path: string) => JSON.parse(readFileSync(join(checkout, path), 'utf8'));
const lock = read('remote-agent/host-lock.json') as HostLock;
const part = { file: 'part.tgz', size: 1, hash: `sha256-${'0'.repeat(64)}` };
const own: HostPackage = {
  folder: '',
  version: '0.1.0',
  agent: part,
  bases: part,
  baseFiles: [],
  setup: part,
  lock,
};
const registries = { npm: 'https://npm.example', pypi: 'https://pypi.example/simple' };

/** What the probe of a healthy host prints, with other lines for some. */
function probeOf(other: Record<string, readonly string[]> = {}): HostProbe {
  const healthy: Record<string, readonly string[]> = {
    root: ['/home/ada/.para-studio'],
    user: ['ada'],
    system: ['Linux'],
    machine: ['x86_64'],
    libc: ['glibc 2.31'],
    libstdcxx: ['good'],
    tool: ['curl', 'tar', 'gzip', 'sha512sum', 'systemd-run'],
    disk: ['/dev/mapper/my disk 100000000 20000000 80000000 20% /home'],
    writable: ['yes'],
    memory: ['64000000'],
    'memory-free': ['32000000'],
    npm: ['yes'],
    pypi: ['yes'],
    kills: ['b false'],
  };
  return readFacts(new Map(Object.entries({ ...healthy, ...other })));
}
const rowsOf = (probe: HostProbe): Record<string, CheckRow> =>
  Object.fromEntries(
    checkRows(probe, own, { name: 'far', transport: 'ssh2', root: '.para-studio' }, registries).map((row) => [
      row.name,
      row,
    ]),
  );

describe('what check makes of a host', () => {
  it('tells of a disk that runs will fill, though an agent is there already', () => {
    const disk = ['/dev/sda 100000000 99990000 10000 100% /home'];
    expect(rowsOf(probeOf({ disk, agent: ['1.0'] })).disk).toMatchObject({ state: 'note' });
    expect(rowsOf(probeOf({ disk })).disk).toMatchObject({ state: 'bad' });
  });

  it('says it in the language of whoever asks, and with the ways that there are', () => {
    const wording = {
      t: (text: string, ...values: (string | number)[]) => `<${inEnglish(text, ...values)}>`,
      install: (host: string) => `press the button of ${host}`,
      root: 'the setting',
      mirrors: 'the settings',
    };
    const host = { name: 'far', transport: 'ssh2', root: '.para-studio' } as const;
    const disk = ['/dev/sda 100000000 99990000 10000 100% /home'];
    const rows = checkRows(probeOf({ disk, pypi: ['no'], tool: [] }), own, host, registries, wording);
    for (const { name, value, remedy } of rows) {
      if (!['Node', 'CUDA'].includes(name)) expect(name).toMatch(/^<.*>$/);
      // What the host says of itself stays as it is.
      expect(value).toMatch(/<|^Linux|^ada|^[\d.]+$/);
      expect(remedy ?? '<').toMatch(/<|button of far/);
    }
    const remedies = rows.map(({ remedy }) => remedy ?? '').join();
    for (const way of ['the setting', 'the settings', 'button of far']) expect(remedies).toContain(way);
    expect(remedies).not.toContain('--');
  });

  it('finds nothing wrong with a healthy one, and says what installing would bring', () => {
    const rows = rowsOf(probeOf());
    expect(Object.values(rows).filter(({ state }) => state === 'bad')).toEqual([]);
    expect(rows.disk!.value).toContain('81.9 GB free');
    expect(rows.Node!.value).toContain('installing brings 22.');
    expect(rows.agent).toMatchObject({ state: 'note', remedy: 'para host install far' });
  });

  it.each([
    ['NVIDIA H100 80GB HBM3', '580.65.06', '81559, 81000', 'CUDA 13, ONNX Runtime 1.30.0'],
    ['NVIDIA A100-SXM4-40GB', '525.147.05', '40960, 40000', 'CUDA 12, ONNX Runtime 1.26.0'],
    ['NVIDIA GB10', '590.10', '[N/A], [N/A]', 'CUDA 13, ONNX Runtime 1.30.0'],
  ])('chooses for %s with driver %s', (name, driver, memory, wanted) => {
    const probe = probeOf({ gpu: [`${driver}, ${memory}, ${name}`] });
    expect(rowsOf(probe).GPU!.value).toContain(name);
    expect(rowsOf(probe).CUDA).toMatchObject({ state: 'ok' });
    expect(rowsOf(probe).CUDA!.value).toContain(wanted);
    expect(probe.gpus[0]!.memoryBytes).toBeGreaterThan(0);
  });

  it('names the remedy for every GPU that cannot be used', () => {
    const old = rowsOf(probeOf({ gpu: ['470.256.02, 16160, 16000, Tesla T4'] }));
    expect(old.CUDA).toMatchObject({ state: 'bad', value: 'the driver 470.256.02 is too old' });
    expect(old.CUDA!.remedy).toContain('525');
    const arm = rowsOf(probeOf({ machine: ['aarch64'], gpu: ['535.1.1, 100, 100, GH200'] }));
    expect(arm.CUDA!.remedy).toMatch(/updated to 580/);
    const said = 'NVIDIA-SMI has failed because it could not communicate with the NVIDIA driver.';
    const broken = rowsOf(probeOf({ gpu: [said], 'driver-file': ['NVRM version'] }));
    expect(broken.GPU).toMatchObject({ state: 'bad', value: said });
    const hidden = rowsOf(probeOf({ 'driver-file': ['NVRM version: Kernel Module  580.1'] }));
    expect(hidden.GPU!.remedy).toContain('--gpus all');
  });

  it('finds the GPU of a container that has no nvidia-smi', () => {
    const probe = probeOf({
      'driver-file': ['NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.95.05  Release Build'],
      model: ['Model: \t\t NVIDIA L4'],
    });
    expect(probe.gpus).toEqual([{ name: 'NVIDIA L4', driver: '580.95.05', memoryBytes: 0, freeBytes: 0 }]);
    expect(rowsOf(probe).CUDA!.value).toContain('CUDA 13');
  });

  it.each([
    [{ system: ['Darwin'] }, 'system', 'Linux hosts only'],
    [{ machine: ['ppc64le'] }, 'system', 'no build for this processor'],
    [{ libc: ['musl'] }, 'libraries', 'musl'],
    [{ libc: ['glibc 2.17'] }, 'libraries', 'too old'],
    [{ libstdcxx: ['old'] }, 'libraries', 'too old'],
    [{ writable: ['no'] }, 'disk', 'cannot be written'],
  ])('refuses %j in the row "%s", and so does install', (lines, name, words) => {
    const probe = probeOf(lines);
    expect(rowsOf(probe)[name]).toMatchObject({ state: 'bad' });
    expect(rowsOf(probe)[name]!.remedy).toBeTruthy();
    expect(() => requireInstallable(probe, 'far')).toThrow(words);
  });

  it('tells of what would hurt later: a full disk, a missing tool, a logind that ends jobs', () => {
    expect(rowsOf(probeOf({ disk: ['/dev/sda1 100 90 100000 90% /'] })).disk!.state).toBe('bad');
    expect(rowsOf(probeOf({ tool: ['curl', 'gzip'] })).tools!.remedy).toContain('tar, sha512sum');
    const ended = rowsOf(probeOf({ kills: ['b true'] }));
    expect(ended.processes).toMatchObject({ state: 'bad' });
    expect(ended.processes!.remedy).toContain('enable-linger');
    expect(rowsOf(probeOf({ kills: ['b true'], linger: ['yes'] })).processes!.state).toBe('ok');
    expect(rowsOf(probeOf({ pypi: ['no'] })).registries).toMatchObject({ state: 'note' });
  });

  it('says whether the installed version is this one', () => {
    const probe = probeOf();
    const wanted = versionName(planSetup(probe, 'x64', own, { registries, fetch: true }));
    expect(rowsOf({ ...probe, agent: wanted }).agent!.state).toBe('ok');
    expect(rowsOf({ ...probe, agent: '0.0.9-abc' }).agent!.value).toContain(`brings ${wanted}`);
  });

  it('puts a failed connection into the row it belongs to', () => {
    const rows = (code: 'host' | 'login', what: string) =>
      failureRows(new ParaError(code, what, { hint: 'do it' })).map(({ name, state }) => `${name} ${state}`);
    expect(rows('host', 'Nothing answers on this port of the host')).toEqual(['reachable bad']);
    expect(rows('login', 'The key of this host is not known yet')).toEqual(['reachable ok', 'host key bad']);
    expect(rows('login', 'The host refused the login')).toEqual(['reachable ok', 'login bad']);
  });
});

describe('the lock file', () => {
  const packages = read('package-lock.json').packages as Record<
    string,
    { version: string; integrity: string }
  >;

  it('names the packages that this checkout is tested with, with the hashes of its own lock file', () => {
    const shared = Object.values(lock.files).filter(
      ({ name, version }) => packages[`node_modules/${name}`]?.version === version,
    );
    expect(shared.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['onnxruntime-node', 'onnxruntime-common', 'sharp', '@img/sharp-linux-arm64']),
    );
    for (const { name, hash } of shared) {
      const { integrity } = packages[`node_modules/${name}`]!;
      expect(hash).toBe(`sha512-${Buffer.from(integrity.slice(7), 'base64').toString('hex')}`);
    }
  });

  it('gives each row the provider of its own runtime, and each processor its own binaries', () => {
    for (const [arch, { node, packages, runtimes }] of Object.entries(lock.hosts)) {
      const other = arch === 'x64' ? /arm64|aarch64/ : /x64|x86_64/;
      for (const { version, files } of Object.values(runtimes)) {
        for (const file of [...files, ...packages, node]) {
          expect(lock.files[file]).toBeDefined();
          expect(file).not.toMatch(other);
        }
        for (const file of files.filter((file) => file.startsWith('onnxruntime')))
          expect(lock.files[file]!.version).toBe(version);
      }
    }
  });

  it('names no registry', () => expect(JSON.stringify(lock)).not.toMatch(/https?:|\/\//));
});

// Each text is what the provider, a driver library or the loader printed.
describe('why CUDA does not start', () => {
  it.each([
    [
      'Failed to load library /r/libonnxruntime_providers_cuda.so with error: libcuda.so.1: cannot open shared object file: No such file or directory',
      'no NVIDIA driver',
    ],
    [
      'Failed to load library /r/libonnxruntime_providers_cuda.so with error: libcufft.so.11: cannot open shared object file: No such file or directory',
      'libcufft.so.11',
    ],
    [
      'CUDA failure 35: CUDA driver version is insufficient for CUDA runtime version ; GPU=-1 ; hostname=vm',
      'driver is too old',
    ],
    ['CUDA failure 100: no CUDA-capable device is detected ; GPU=-1 ; hostname=vm', 'sees no GPU'],
    [
      'OrtSessionOptionsAppendExecutionProvider_Cuda: Failed to load shared library',
      'CUDA provider does not load',
    ],
  ])('%s', (said, words) => {
    const error = deviceError(deviceByName('cuda'), new Error(said));
    expect(error.where).toContain(words);
    expect(error.hint).toMatch(/driver|install|nvidia-smi/);
  });
});

/** A host whose shell answers with these lines, whatever it is asked. */
function answering(...lines: string[]): Transport {
  return {
    async run() {
      return {
        stdin: new PassThrough().resume(),
        stdout: Readable.from([Buffer.from(['noise', sentinel, ...lines, ''].join('\n'))]),
        errors: () => '',
        exit: Promise.resolve(0),
        kill: () => {},
      };
    },
    explain: () => new ParaError('host', 'ended'),
    close: () => {},
  };
}

describe('a hostile host', () => {
  it('cannot steer the terminal by why it takes no file', async () => {
    const strange: Transport = {
      ...answering('0'),
      run: async () => ({
        ...(await answering('0').run([])),
        errors: () => 'no\u001b[2J room',
        exit: Promise.resolve(1),
      }),
    };
    const file = { path: join(checkout, 'README.md'), size: 10 };
    await expect(sendFile(strange, file, 'x', () => {})).rejects.toMatchObject({ where: 'no?[2J room' });
  });

  it('cannot steer the terminal through what check prints', async () => {
    const probe = await probeHost(
      answering('root\t/r', 'libc\t\u001b[2Jglibc 2.31\u0007', 'agent\tx\u009b31m'),
      '.r',
    );
    expect(probe).toMatchObject({ libc: '?[2Jglibc 2.31?', agent: 'x?31m' });
  });

  it('cannot pass for one that removed the agent, or ask for a file of this machine', async () => {
    const strange = answering('gone');
    await expect(uninstallAgent(strange, { name: 'far', root: 'r' }, true)).rejects.toMatchObject({
      code: 'host',
    });
    const evil = { type: 'missing', files: [{ file: '../../.ssh/id_ed25519', why: '' }] };
    expect(isValid(SetupMessage, evil)).toBe(false);
    expect(isValid(SetupMessage, { ...evil, files: [{ file: 'agent.tgz', why: '' }] })).toBe(true);
  });
});
