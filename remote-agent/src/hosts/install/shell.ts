import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { ParaError } from '../../common/errors.ts';
import { ByteChannel } from '../../protocol/byte-channel.ts';
import { printable } from '../../protocol/printable.ts';
import { maxBanner, sentinel } from '../../protocol/version.ts';
import type { Channel, Transport } from '../transports/transport.ts';

/** How a script of ours ended. */
export interface ScriptEnd {
  readonly code: number | null;
  readonly errors: string;
}

/**
 * Runs a fixed script with the host's plain `sh`: the text goes to its stdin, values go in as its arguments and are
 * never part of the text. Lines that the script prints after the sentinel are given to `onLine`; whatever a login
 * shell prints before it is passed over.
 * @throws ParaError as the transport explains it when the script never began
 */
export async function runScript(
  transport: Transport,
  script: string,
  args: readonly string[],
  onLine: (line: string) => void,
): Promise<ScriptEnd> {
  const channel = await transport.run(['sh', '-s', '--', ...args]);
  channel.stdin.end(`printf '\\n%s\\n' '${sentinel}'\n${script}`);
  const began = await readLines(channel, onLine);
  const code = await channel.exit;
  if (!began) throw transport.explain(channel, code);
  return { code, errors: channel.errors() };
}

/** Hands on the lines after the sentinel; whether it came at all. */
export async function readLines(channel: Channel, onLine: (line: string) => void): Promise<boolean> {
  const bytes = new ByteChannel(channel.stdout, channel.stdin);
  let began = false;
  for (let skipped = 0; skipped <= maxBanner; ) {
    const line = await bytes.readLine(maxBanner);
    if (line === undefined) return began;
    if (began) onLine(line);
    else if (line.trim() === sentinel) began = true;
    else skipped += line.length + 1;
  }
  return false;
}

/** Prints the size of the file $1, 0 where there is none. */
const sizeScript = 'if [ -f "$1" ]; then wc -c < "$1"; else echo 0; fi\n';

/**
 * Sends a file to `path` on the host, going on after the bytes that are there already; whether they are the right
 * ones is seen by the hash, once it is whole.
 * @throws ParaError `host` when the way breaks off or the host takes no more bytes
 */
export async function sendFile(
  transport: Transport,
  from: { readonly path: string; readonly size: number },
  path: string,
  onProgress: (done: number) => void,
): Promise<void> {
  let have = 0;
  await runScript(transport, sizeScript, [path], (line) => {
    if (/^\s*[0-9]+\s*$/.test(line)) have = Number(line);
  });
  const start = have > from.size ? 0 : have;
  if (start === from.size && start > 0) return;
  // Fixed words again: a file that is too long is begun anew, else the bytes go to its end.
  const append = start === 0 ? 'umask 077; cat > "$1"' : 'umask 077; cat >> "$1"';
  const channel = await transport.run(['sh', '-c', append, 'sh', path]);
  channel.stdout.resume();
  let broken: Error | undefined;
  channel.stdin.on('error', (error) => {
    broken = error;
  });
  const ended = channel.exit.then(() => {
    broken ??= new Error('the program on the host ended');
  });
  let done = start;
  for await (const part of createReadStream(from.path, { start, end: from.size - 1 })) {
    if (broken) break;
    if (!channel.stdin.write(part)) await Promise.race([once(channel.stdin, 'drain'), ended]).catch(() => {});
    done += (part as Buffer).length;
    onProgress(done);
  }
  channel.stdin.end();
  const code = await channel.exit;
  if (code === 0 && done === from.size) return;
  throw new ParaError('host', 'A file could not be sent to the host', {
    where: printable(channel.errors().trim().slice(-400)) || `${broken?.message ?? `exit code ${code}`}`,
    hint: 'repeat it: it goes on where it stopped; is the disk there full?',
  });
}
