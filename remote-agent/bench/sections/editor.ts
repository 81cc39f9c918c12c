import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { median, megabytes } from '../numbers.ts';
import { markdown, type Section } from '../section.ts';

/** What test/editor/bench prints. */
interface EditorRow {
  /** The first activation as the editor counts it. */
  readonly activationMs: number;
  /** What loading and activation took of the thread, by the extension's log: the first, then in windows loaded again. */
  readonly startsMs: readonly number[];
  /** From the click on a run of `events` steps to its drawn chart: median and worst of five. */
  readonly openMs: number;
  readonly openWorstMs: number;
  /** Steps that the panel of a live run showed, and how long after their events were written. */
  readonly shown: number;
  readonly shownMs: number;
  readonly shownP99Ms: number;
  /** The same of a run on a host, over SSH on this machine. */
  readonly thereShown?: number;
  readonly thereMs?: number;
  readonly thereP99Ms?: number;
  /** Steps that a run made in its open panel, as many as in an hour; memory of the extension host before and after. */
  readonly liveSteps?: number;
  readonly hourBytes?: number;
  readonly hourBytesAfter?: number;
  readonly events: number;
  /** Memory of the extension host before and after that run was opened five times. */
  readonly hostBytes: number;
  readonly hostBytesAfter: number;
  /** Time between frames while its chart is zoomed and moved through: median, and 95 of 100. */
  readonly frameMs?: number;
  readonly frameP95Ms?: number;
  /** Runs of a long history; from a window that is loaded again until the sidebar has them all. */
  readonly runs?: number;
  readonly historyMs?: number;
  /** Memory of the extension host then. */
  readonly historyBytes?: number;
}

/** The packaged extension in the real VS Code of the editor tests. */
export const editor: Section<EditorRow> = {
  name: 'editor',
  async measure({ root, say }) {
    const target = `${process.platform}-${process.arch}`;
    for (const script of ['test-host.mjs', 'package.mjs']) {
      const { status } = spawnSync(process.execPath, [join(root, 'scripts', script), target], {
        stdio: ['ignore', 'ignore', 'inherit'],
      });
      if (status !== 0) throw new Error(`scripts/${script} failed`);
    }
    const program = join(root, '.cache/bench-editor.js');
    const row = JSON.parse(execFileSync(process.execPath, [program], { encoding: 'utf8' })) as EditorRow;
    say(`editor: activated in ${row.activationMs} ms, a loss on screen after ${row.shownMs} ms`);
    return [row];
  },
  table([row]) {
    if (!row) return '';
    return markdown(
      ['what', 'measured'],
      [
        [
          `activation: what loading and starting took of the extension host, median of ${row.startsMs.length} starts (worst)`,
          `${ms(median(row.startsMs))} (${ms(Math.max(...row.startsMs))})`,
        ],
        ['the first as the editor counts it, with what other extensions did meanwhile', ms(row.activationMs)],
        [
          `a run of ${row.events.toLocaleString('en')} steps opened, median (worst)`,
          `${ms(row.openMs)} (${ms(row.openWorstMs)})`,
        ],
        [
          `a step on screen after its event, median of ${row.shown} (p99)`,
          `${ms(row.shownMs)} (${ms(row.shownP99Ms)})`,
        ],
        ...live(row),
        [
          'memory of the extension host before and after that run was opened five times',
          `${megabytes(row.hostBytes)} MB, ${megabytes(row.hostBytesAfter)} MB`,
        ],
        ...later(row),
      ],
    );
  },
};

const ms = (value: number) => `${Math.round(value)} ms`;

function live(row: EditorRow): string[][] {
  if (row.liveSteps === undefined) return [];
  return [
    [
      `the same for a run on a host, over SSH, median of ${row.thereShown} (p99)`,
      `${ms(row.thereMs!)} (${ms(row.thereP99Ms!)})`,
    ],
    [
      `memory of the extension host before and after an hour's ${row.liveSteps.toLocaleString('en')} steps in an open panel`,
      `${megabytes(row.hourBytes!)} MB, ${megabytes(row.hourBytesAfter!)} MB`,
    ],
  ];
}

/** What results of an earlier day do not have yet. */
function later(row: EditorRow): string[][] {
  if (row.runs === undefined) return [];
  return [
    [
      'a frame while its chart is zoomed and moved through, median (95 of 100)',
      `${ms(row.frameMs!)} (${ms(row.frameP95Ms!)})`,
    ],
    [
      `a history of ${row.runs.toLocaleString('en')} runs in the sidebar of a window loaded again; memory of the extension host then`,
      `${ms(row.historyMs!)}, ${megabytes(row.historyBytes!)} MB`,
    ],
  ];
}
