import { PassThrough } from 'node:stream';
import { expect, it } from 'vitest';
import { ClientEnd } from '../../src/protocol/connection.ts';
import { sentinel } from '../../src/protocol/version.ts';

it('a request on a stream that broke just now fails for whoever asked, and nowhere else', async () => {
  const stray: unknown[] = [];
  const note = (cause: unknown) => stray.push(cause);
  process.on('unhandledRejection', note);
  const [input, output] = [new PassThrough(), new PassThrough()];
  const client = new ClientEnd(input, output);
  input.write(`${sentinel}\n`);
  await client.started;
  output.destroy();
  const asked = client.call('ping', {});
  input.end();
  await expect(asked).rejects.toMatchObject({ failure: { code: 'host' } });
  await new Promise((resolve) => setTimeout(resolve, 50));
  process.off('unhandledRejection', note);
  expect(stray).toEqual([]);
});
