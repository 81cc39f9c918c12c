import { spawn } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeFileAtomic } from '../common/files.ts';
import { paraHome } from '../diffusion/base-places.ts';
import type { DeviceName } from '../runtime/device.ts';
import { gpus } from './gpus.ts';
import { bootId } from './process-life.ts';

/** What a probe's process says. */
export type ProbeAnswer =
  /** `speed`: as many times as fast as the processor, in matrix products. */
  { readonly works: true; readonly speed: number } | { readonly works: false; readonly why: string };

/** A device beside the processor, and what trying it showed. */
export type DeviceFinding = { readonly device: 'cuda' | 'webgpu' } & ProbeAnswer;

/** The devices of a machine, and the one to compute on. */
export interface DeviceChoice {
  readonly device: DeviceName;
  /** Why this one, in words. */
  readonly why: string;
  readonly findings: readonly DeviceFinding[];
}

/**
 * A GPU that is to be chosen by itself computes at least so many times as fast as the processor. An adapter in software
 * (SwiftShader, llvmpipe) works, and stays far below: it is the processor, with detours.
 */
export const worthwhile = 1.5;

/** Time after which a driver that does not answer counts as one that does not work, in ms. */
const patience = 30_000;

/** How long what was found is believed, in ms: a driver that was installed meanwhile should be found soon. */
const believed = { working: 7 * 24 * 3600_000, failing: 3600_000 };

/** Program of a probe, beside that of the caller. */
const probeBundle = () => fileURLToPath(new URL('./device-probe.js', import.meta.url));

/**
 * Tries a device in a process of its own, which a crash or hang of its driver does no harm.
 * @param program of the probe (default: as it was built)
 * @param limit of time in ms
 */
export function probeDevice(
  device: 'cuda' | 'webgpu',
  program = probeBundle(),
  limit = patience,
): Promise<DeviceFinding> {
  if (!existsSync(program))
    return Promise.resolve({ device, works: false, why: `the probe is not built: ${program}` });
  const child = spawn(process.execPath, [program, device], { stdio: ['ignore', 'pipe', 'ignore'] });
  let said = '';
  child.stdout.on('data', (part: Buffer) => {
    said = (said + part.toString()).slice(-4000);
  });
  return new Promise((resolve) => {
    const fails = (why: string) => resolve({ device, works: false, why });
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      fails(`its driver did not answer within ${limit / 1000} s`);
    }, limit);
    child.on('error', (cause) => fails(cause.message));
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      const answer = readAnswer(said);
      if (answer) resolve({ device, ...answer });
      else fails(`its driver ended the process that tried it (${signal ?? `code ${code}`})`);
    });
  });
}

/** The answer in what a probe printed; libraries may print what they like before it. */
function readAnswer(said: string): ProbeAnswer | undefined {
  const line = said.trim().split('\n').at(-1) ?? '';
  try {
    const { works, speed, why } = JSON.parse(line) as { works?: unknown; speed?: unknown; why?: unknown };
    if (works === true && typeof speed === 'number') return { works, speed };
    return works === false ? { works, why: String(why).slice(0, 500) } : undefined;
  } catch {
    return undefined;
  }
}

interface Remembered {
  readonly key: string;
  readonly at: number;
  readonly findings: readonly DeviceFinding[];
}

/** What else decides how a probe ends: boot, program, and where drivers are looked for. */
function surroundings(program: string): string {
  const built = statSync(program, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const names = ['VK_DRIVER_FILES', 'VK_ICD_FILENAMES', 'LD_LIBRARY_PATH', 'CUDA_VISIBLE_DEVICES'];
  return [bootId(), program, built, ...names.map((name) => process.env[name] ?? '')].join(' ');
}

const rememberedFile = () => join(paraHome(), 'devices.json');

function remembered(key: string): readonly DeviceFinding[] | undefined {
  try {
    const kept = JSON.parse(readFileSync(rememberedFile(), 'utf8')) as Remembered;
    const working = kept.findings.some(({ works }) => works);
    const age = Date.now() - kept.at;
    const isFresh = age >= 0 && age < (working ? believed.working : believed.failing);
    return kept.key === key && isFresh ? kept.findings : undefined;
  } catch {
    // Never tried, or not ours.
    return undefined;
  }
}

let underway: Promise<readonly DeviceFinding[]> | undefined;

/**
 * What the devices of this machine are worth. Each is tried once and then remembered (in `$PARA_HOME/devices.json`) for
 * a week where one works, else for an hour, until the machine starts anew or its drivers are looked for elsewhere.
 * @param again try them whatever is remembered
 */
export function deviceFindings(again = false, program = probeBundle()): Promise<readonly DeviceFinding[]> {
  const key = surroundings(program);
  const known = again ? undefined : remembered(key);
  if (known) return Promise.resolve(known);
  underway ??= tryAll(key, program).finally(() => {
    underway = undefined;
  });
  return underway;
}

async function tryAll(key: string, program: string): Promise<readonly DeviceFinding[]> {
  const cuda: DeviceFinding =
    (await gpus()).length > 0
      ? await probeDevice('cuda', program)
      : { device: 'cuda', works: false, why: 'no NVIDIA GPU answers' };
  const findings = [cuda, await probeDevice('webgpu', program)];
  try {
    writeFileAtomic(rememberedFile(), JSON.stringify({ key, at: Date.now(), findings } satisfies Remembered));
  } catch {
    // It is tried again next time.
  }
  return findings;
}

/** "webgpu: works, 8.1 times as fast as the processor". */
export function findingText(finding: DeviceFinding): string {
  if (!finding.works) return `${finding.device} does not work: ${finding.why}`;
  const speed = `${finding.speed.toPrecision(2)} times as fast as the processor`;
  return finding.speed < worthwhile
    ? `${finding.device} works, but is only ${speed} (an adapter in software, or a slow one)`
    : `${finding.device} works and is ${speed}`;
}

/** Chooses among what was found: CUDA, then WebGPU, where they are worth it, else the processor. */
export function chooseDevice(findings: readonly DeviceFinding[]): DeviceChoice {
  const useful = findings.find((finding) => finding.works && finding.speed >= worthwhile);
  return {
    device: useful?.device ?? 'cpu',
    why: (useful ? [useful] : findings).map(findingText).join('; '),
    findings,
  };
}
