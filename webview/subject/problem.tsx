import { Icon } from '../ui/icons.tsx';

/** The worst first. */
export const severities = ['error', 'warning', 'information'] as const;

const icons = { error: 'error', warning: 'warning', information: 'info' } as const;

/** Something to mend, in the colour of how bad it is. */
export const Problem = ({ kind, text }: { readonly kind: string; readonly text: string }) => (
  <p class="subject-problem" data-kind={kind} role={kind === 'error' ? 'alert' : 'note'}>
    <Icon name={icons[kind as keyof typeof icons] ?? 'info'} /> {text}
  </p>
);
