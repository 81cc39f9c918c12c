import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32, deflateRawSync } from 'node:zlib';
import * as tar from 'tar';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { neededHere } from '../../src/hosts/install/assemble.ts';
import { fetchFile, settle } from '../../src/hosts/install/fetch.ts';
import { findRegistries, shownUrl } from '../../src/hosts/install/registries.ts';
import type { RegistryFile } from '../../src/hosts/install/request.ts';
import { unpackLibraries, unpackTar } from '../../src/hosts/install/unpack.ts';

const work = mkdtempSync(join(tmpdir(), 'para-install-files-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));
let folders = 0;
const folder = () => mkdtempSync(join(work, `${folders++}-`));

let server: Server | undefined;
afterEach(() => server?.close());
async function serve(answer: RequestListener): Promise<string> {
  server = createServer(answer);
  await new Promise<void>((resolve) => server!.listen(0, '127.0.0.1', resolve));
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const bytes = Buffer.from('a wheel, as far as hashes go');
const wheel: RegistryFile = {
  file: 'nvidia_curand-10.4.5.25-py3-none-manylinux_2_27_x86_64.whl',
  size: bytes.length,
  hash: `sha256-${createHash('sha256').update(bytes).digest('hex')}`,
  registry: 'pypi',
  name: 'nvidia-curand',
  version: '10.4.5.25',
};

/** A zip of these entries, deflated, as wheels are. */
function zip(entries: Record<string, string>): Buffer {
  const local: Buffer[] = [];
  const central: Buffer[] = [];
  let offset = 0;
  for (const [name, text] of Object.entries(entries)) {
    const packed = deflateRawSync(text);
    const fields = Buffer.alloc(26);
    fields.writeUInt16LE(20, 0); // version needed
    fields.writeUInt16LE(8, 4); // deflated
    fields.writeUInt32LE(crc32(text), 10);
    fields.writeUInt32LE(packed.length, 14);
    fields.writeUInt32LE(Buffer.byteLength(text), 18);
    fields.writeUInt16LE(name.length, 22);
    local.push(Buffer.from('PK\u0003\u0004'), fields, Buffer.from(name), packed);
    const rest = Buffer.alloc(14);
    rest.writeUInt32LE(offset, 10);
    central.push(Buffer.from('PK\u0001\u0002\u0014\u0000'), fields, rest, Buffer.from(name));
    offset += 30 + name.length + packed.length;
  }
  const directory = Buffer.concat(central);
  const end = Buffer.alloc(18);
  end.writeUInt16LE(Object.keys(entries).length, 4);
  end.writeUInt16LE(Object.keys(entries).length, 6);
  end.writeUInt32LE(directory.length, 8);
  end.writeUInt32LE(offset, 12);
  return Buffer.concat([...local, directory, Buffer.from('PK\u0005\u0006'), end]);
}

describe('a wheel of an index', () => {
  it.each(['json', 'html'])(
    'is found in an index that answers in %s, with the login of its address',
    async (form) => {
      const asked: string[] = [];
      const address = await serve((request, response) => {
        asked.push(`${request.url} ${request.headers.authorization ?? ''}`);
        if (request.url === '/simple/nvidia-curand/') {
          const url = `../../files/${wheel.file}`;
          response.setHeader(
            'content-type',
            form === 'json' ? 'application/vnd.pypi.simple.v1+json' : 'text/html',
          );
          response.end(
            form === 'json'
              ? JSON.stringify({
                  files: [
                    { filename: 'other.whl', url: 'x' },
                    { filename: wheel.file, url },
                  ],
                })
              : `<a href="other.whl">o</a><a data-x="1" href="${url}#sha256=0">${wheel.file}</a>`,
          );
        } else if (request.url === `/files/${wheel.file}`) response.end(bytes);
        else response.writeHead(404).end();
      });
      const place = folder();
      const registries = { npm: `http://${address}`, pypi: `http://ada:se%20cret@${address}/simple` };
      await fetchFile(place, wheel, registries, () => {});
      expect(readFileSync(join(place, wheel.file))).toEqual(bytes);
      const login = `Basic ${Buffer.from('ada:se cret').toString('base64')}`;
      expect(asked).toEqual([`/simple/nvidia-curand/ ${login}`, `/files/${wheel.file} ${login}`]);
    },
  );

  it('that the index lacks, or that no registry gives, is told with its name', async () => {
    const address = await serve((_, response) => response.writeHead(404).end());
    const registries = { npm: `http://${address}`, pypi: `http://ada:secret@${address}/simple` };
    const failed = fetchFile(folder(), wheel, registries, () => {});
    await expect(failed).rejects.toMatchObject({ code: 'host', where: expect.stringContaining(wheel.file) });
    await expect(failed).rejects.toMatchObject({ where: expect.not.stringContaining('secret') });
  });

  it('arrives from a server that closes every connection', async () => {
    const large = randomBytes(20 << 20);
    const hash = `sha256-${createHash('sha256').update(large).digest('hex')}`;
    const address = await serve((_, response) => {
      response.writeHead(200, { connection: 'close', 'content-length': large.length }).end(large);
    });
    const registries = { npm: `http://${address}`, pypi: `http://${address}` };
    for (let i = 0; i < 10; i++) {
      const place = folder();
      const file = { ...wheel, registry: 'npm', size: large.length, hash } as const;
      await fetchFile(place, file, registries, () => {});
      expect(readFileSync(join(place, wheel.file)).equals(large)).toBe(true);
    }
  });

  it('gives its libraries to the places named, and nothing else of it', async () => {
    const place = folder();
    const archive = join(place, 'a.whl');
    writeFileSync(
      archive,
      zip({
        'nvidia/cu13/lib/libcurand.so.10': 'library',
        'nvidia/cu13/include/curand.h': 'header',
        'onnxruntime/capi/libonnxruntime_providers_cuda.so': 'provider',
        'onnxruntime/capi/libonnxruntime_providers_tensorrt.so': 'not wanted',
        'x.dist-info/RECORD': 'record',
      }),
    );
    await unpackLibraries(archive, (path) =>
      path.startsWith('nvidia/')
        ? join(place, 'cuda')
        : path.includes('_cuda')
          ? join(place, 'beside')
          : undefined,
    );
    expect(readdirSync(join(place, 'cuda'))).toEqual(['libcurand.so.10']);
    expect(readFileSync(join(place, 'beside/libonnxruntime_providers_cuda.so'), 'utf8')).toBe('provider');
    expect(readdirSync(place).sort()).toEqual(['a.whl', 'beside', 'cuda']);
  });

  it('writes nothing outside its places, whatever its names say', async () => {
    const place = folder();
    const archive = join(place, 'evil.whl');
    writeFileSync(archive, zip({ '../../nvidia/libevil.so': 'evil' }));
    await expect(unpackLibraries(archive, () => join(place, 'cuda'))).rejects.toThrow(
      /invalid relative path/,
    );
    expect(readdirSync(place)).toEqual(['evil.whl']);
  });
});

describe('an archive', () => {
  it('with names that lead out is refused whole', async () => {
    const place = folder();
    writeFileSync(join(place, 'victim'), 'before');
    writeFileSync(join(place, 'evil'), 'after');
    const archive = join(place, 'evil.tgz');
    await tar.create(
      { cwd: place, file: archive, gzip: true, preservePaths: true, prefix: 'package/../..' },
      ['evil'],
    );
    await expect(unpackTar(archive, join(place, 'inside'), 1)).rejects.toThrow();
    expect(readFileSync(join(place, 'victim'), 'utf8')).toBe('before');
    expect(readdirSync(join(place, 'inside'))).toEqual([]);
  });

  it('of the runtime gives this system its libraries alone', () => {
    expect(neededHere('dist/index.js', 'x64')).toBe(true);
    expect(neededHere('bin/napi-v6/linux/x64/libonnxruntime.so.1', 'x64')).toBe(true);
    expect(neededHere('bin/napi-v6/linux/arm64/libonnxruntime.so.1', 'x64')).toBe(false);
    expect(neededHere('bin/napi-v6/win32/x64/onnxruntime.dll', 'x64')).toBe(false);
  });
});

describe('bytes that came another way', () => {
  it('are let in when they are the right ones, and thrown away when not', async () => {
    const place = folder();
    const part = join(place, `${wheel.file}.part`);
    writeFileSync(part, bytes.subarray(0, 5));
    expect(await settle(place, wheel)).toBe(false);
    expect(statSync(part).size).toBe(5);
    writeFileSync(part, Buffer.alloc(bytes.length));
    expect(await settle(place, wheel)).toBe(false);
    expect(existsSync(part)).toBe(false);
    writeFileSync(part, bytes);
    expect(await settle(place, wheel)).toBe(true);
    expect(readdirSync(place)).toEqual([wheel.file]);
  });
});

describe('the registries', () => {
  it('are those said, else those npm and pip are set to, else the public ones', () => {
    const home = folder();
    expect(findRegistries({}, { PIP_CONFIG_FILE: join(home, 'none') }, home).npm).toBe(
      'https://registry.npmjs.org',
    );
    writeFileSync(join(home, '.npmrc'), 'fund=false\nregistry = https://npm.mirror/all/\n');
    const pip = join(home, 'pip.conf');
    writeFileSync(pip, '[global]\nindex-url = https://pypi.mirror/simple\n');
    const env = { PIP_CONFIG_FILE: pip };
    expect(findRegistries({}, env, home)).toEqual({
      npm: 'https://npm.mirror/all',
      pypi: 'https://pypi.mirror/simple',
    });
    const both = { ...env, npm_config_registry: 'http://a', PIP_INDEX_URL: 'http://b' };
    expect(findRegistries({}, both, home)).toEqual({ npm: 'http://a', pypi: 'http://b' });
    const said = { npmRegistry: 'http://c/', pypi: 'http://d', proxy: 'http://e' };
    expect(findRegistries(said, both, home)).toEqual({
      npm: 'http://c',
      pypi: 'http://d',
      proxy: 'http://e',
    });
    expect(() => findRegistries({ pypi: 'ftp://x' }, {}, home)).toThrow('not an http or https URL');
  });

  it('never show a password', () => {
    expect(shownUrl('https://ada:secret@mirror/simple')).toBe('https://ada:***@mirror/simple');
  });
});
