import type { ComponentChildren } from 'preact';

interface ScrollerProps {
  readonly label: string;
  readonly class: string;
  readonly children: ComponentChildren;
}

/** A part that is larger than its place: scrolled by the wheel and, focused, by keys. */
export const Scroller = ({ label, class: name, children }: ScrollerProps) => (
  // biome-ignore lint/a11y/noNoninteractiveTabindex: without it keys could not scroll it
  <section class={name} aria-label={label} tabIndex={0}>
    {children}
  </section>
);
