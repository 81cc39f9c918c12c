import { named } from './toolkit.ts';

/** Something is on its way, nobody knows how long. */
export const ProgressRing = ({ label }: { readonly label: string }) => (
  <vscode-progress-ring class="ui-ring" ref={named(label)} role="progressbar" />
);

interface ProgressBarProps {
  readonly label: string;
  readonly value: number;
  readonly maximum: number;
}

/** How far something is. */
export const ProgressBar = ({ label, value, maximum }: ProgressBarProps) => (
  <progress class="ui-progress" aria-label={label} value={value} max={Math.max(1, maximum)} />
);
