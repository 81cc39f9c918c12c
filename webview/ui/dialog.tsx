import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { IconButton } from './button.tsx';
import { t } from './l10n.ts';

interface DialogProps {
  readonly label: string;
  readonly onClose: () => void;
  readonly children: ComponentChildren;
  /** Buttons beside the title. */
  readonly actions?: ComponentChildren;
}

/** Something over the whole view; Escape closes it, and the focus goes back to where it was. */
export function Dialog({ label, onClose, children, actions }: DialogProps) {
  const element = useRef<HTMLDialogElement>(null);
  useEffect(() => element.current?.showModal(), []);
  return (
    <dialog class="ui-dialog" ref={element} aria-label={label} onClose={onClose}>
      <header>
        <h2>{label}</h2>
        {actions}
        <IconButton icon="close" label={t('Close')} onClick={() => element.current?.close()} />
      </header>
      {children}
    </dialog>
  );
}
