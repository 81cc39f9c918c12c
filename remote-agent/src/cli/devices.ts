import { chooseDevice, type DeviceChoice, deviceFindings, findingText } from '../jobs/device-probe.ts';
import type { DeviceName } from '../runtime/device.ts';
import { bold, dim, say } from './output.ts';

/** What a person may ask for. */
export type DeviceOption = DeviceName | 'auto';

/** "computing on webgpu: webgpu works and is 8.1 times as fast as the processor". */
export const choiceText = ({ device, why }: Pick<DeviceChoice, 'device' | 'why'>): string =>
  `computing on ${device}: ${why}`;

/**
 * The device of this machine that was asked for; for `auto` the one that is worth it, saying why.
 * @param asked default: the processor
 */
export async function deviceHere(asked: DeviceOption = 'cpu', quiet = false): Promise<DeviceName> {
  if (asked !== 'auto') return asked;
  const chosen = chooseDevice(await deviceFindings());
  if (!quiet) say(dim(choiceText(chosen)));
  return chosen.device;
}

/** `para devices`: what each device of this machine is worth. */
export async function devicesCommand({ again = false }: { readonly again?: boolean }): Promise<void> {
  const findings = await deviceFindings(again);
  for (const finding of findings) say(findingText(finding));
  say(`"--device auto" computes on ${bold(chooseDevice(findings).device)}`);
}
