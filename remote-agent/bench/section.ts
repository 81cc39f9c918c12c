/** What a section may use. */
export interface BenchContext {
  /** The repository. */
  readonly root: string;
  /** Folder of the base that is measured. */
  readonly base: string;
  /** Python with PyTorch, PEFT and diffusers, and the base as a torch pipeline; absent where not installed. */
  readonly torch: { readonly python: string; readonly pipeline: string; readonly worker: string } | undefined;
  /** Threads that both sides of a contest may use. */
  readonly threads: number;
  say(line: string): void;
}

/** One thing that is measured; its rows go into bench/results.json, its text into docs/performance.md. */
export interface Section<Row = unknown> {
  readonly name: string;
  /** Cannot be measured without PyTorch. */
  readonly needsTorch?: true;
  measure(context: BenchContext): Promise<Row[]>;
  /** The table of the page, from stored rows. */
  table(rows: readonly Row[]): string;
}

/** A Markdown table. */
export function markdown(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const line = (cells: readonly (string | number)[]) => `| ${cells.join(' | ')} |`;
  return [line(head), `|${'---|'.repeat(head.length)}`, ...rows.map(line)].join('\n');
}
