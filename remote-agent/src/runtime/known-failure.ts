import { ParaError } from '../common/errors.ts';
import type { Device } from './device.ts';
import { failureOf } from './failure-words.ts';
import { othersOn } from './memory.ts';

/** What the runtime said as an error of the house, where it speaks of memory or of what the device cannot do. */
export function knownFailure(device: Device, cause: unknown): ParaError | undefined {
  const said = cause instanceof Error ? cause.message : String(cause);
  const failure = failureOf(said);
  if (failure?.kind === 'memory') {
    const asked =
      failure.asked === undefined ? [] : [`${Math.ceil(failure.asked / 1e6)} MB more were asked for`];
    const others = othersOn(device.name);
    const where = [
      [...asked, ...(failure.node ? [`by ${failure.node}`] : [])].join(' '),
      others ? `also on it: ${others}` : '',
    ].filter((part) => part !== '');
    return new ParaError('memory', `The memory of the device "${device.name}" is full`, {
      ...(where.length > 0 ? { where: where.join('; ') } : {}),
      hint: 'end other programs that use it, or ask for less: a smaller size or batch',
      cause,
    });
  }
  if (failure?.kind === 'device')
    return new ParaError('device', `The device "${device.name}" failed: ${failure.what}`, {
      where: firstLine(cause),
      hint: 'start again: what was saved is kept. Where it happens again, look for "Xid" in the kernel log (dmesg), and update the driver',
      cause,
    });
  if (/requires f16 but the device/.test(said))
    return new ParaError('device', 'This GPU does not compute in half precision', {
      where: firstLine(cause),
      hint: 'ask for f32: "training.precision" of the subject, --precision of a drawing',
      cause,
    });
  return undefined;
}

/** The first line of what the runtime said. */
export function firstLine(cause: unknown): string {
  const said = cause instanceof Error ? cause.message : String(cause);
  return said.split('\n')[0]!.slice(0, 400);
}
