import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Operators and how many nodes of each ran, by the provider that ran them. */
export type Placement = Readonly<Record<string, Readonly<Record<string, number>>>>;

/** A node as the runtime's profile tells of it. */
interface ProfiledEvent {
  readonly cat?: string;
  readonly name?: string;
  readonly args?: { readonly op_name?: string; readonly provider?: string };
}

/** Counts the nodes of one run in the text of a runtime's profile (Chrome's trace format). */
export function readPlacement(text: string): Placement {
  const counts: Record<string, Record<string, number>> = {};
  for (const { cat, name = '', args } of JSON.parse(text) as readonly ProfiledEvent[]) {
    if (cat !== 'Node' || !args?.op_name || !args.provider || !name.endsWith('_kernel_time')) continue;
    const provider = args.provider.replace(/ExecutionProvider$/, '').toLowerCase();
    const list = counts[provider] ?? {};
    list[args.op_name] = (list[args.op_name] ?? 0) + 1;
    counts[provider] = list;
  }
  return counts;
}

const total = (counts: Readonly<Record<string, number>>) =>
  Object.values(counts).reduce((sum, count) => sum + count, 0);

/** "2,340 of 2,410 operators run on webgpu; on cpu: Cast 40, Shape 30". */
export function placementText(placement: Placement, provider: string): string {
  const here = total(placement[provider] ?? {});
  const all = Object.values(placement).reduce((sum, counts) => sum + total(counts), 0);
  const elsewhere = Object.entries(placement)
    .filter(([name]) => name !== provider)
    .map(([name, counts]) => {
      const sorted = Object.entries(counts).sort(([, a], [, b]) => b - a);
      return `on ${name}: ${sorted.map(([operator, count]) => `${operator} ${count}`).join(', ')}`;
    });
  return [`${here} of ${all} operators run on ${provider}`, ...elsewhere].join('; ');
}

/** A folder for the profile of one session. */
export class ProfileFolder {
  readonly #folder = mkdtempSync(join(tmpdir(), 'para-profile-'));
  /** What the runtime's file names begin with. */
  readonly prefix = join(this.#folder, 'run');

  /** Reads the profile, which its session has ended, and removes the folder; `undefined` where it cannot be read. */
  take(): Placement | undefined {
    try {
      const [file] = readdirSync(this.#folder);
      return file === undefined ? undefined : readPlacement(readFileSync(join(this.#folder, file), 'utf8'));
    } catch {
      // It is a report, not worth a run.
      return undefined;
    } finally {
      this.remove();
    }
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
