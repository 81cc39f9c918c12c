import './toolkit.ts';
import type { ComponentChildren } from 'preact';
import { Icon, type IconName } from './icons.tsx';

interface ButtonProps {
  readonly onClick: (event: MouseEvent) => void;
  readonly children?: ComponentChildren;
  readonly icon?: IconName;
  /** `primary`: the one thing that most people want here. Default `secondary`. */
  readonly kind?: 'primary' | 'secondary';
  readonly disabled?: boolean;
  /** Said and shown on hovering, where the words on the button are not enough. */
  readonly title?: string;
}

/** A button with words on it. */
export const Button = ({
  onClick,
  children,
  icon,
  kind = 'secondary',
  disabled = false,
  title,
}: ButtonProps) => (
  <vscode-button class="ui-button" appearance={kind} disabled={disabled} title={title} onClick={onClick}>
    {icon && <Icon name={icon} slot="start" />}
    {children}
  </vscode-button>
);

interface IconButtonProps {
  readonly icon: IconName;
  /** What it does: its name for everybody who does not know the icon. */
  readonly label: string;
  readonly onClick: (event: MouseEvent) => void;
  readonly disabled?: boolean;
  /** Whether it is on, for buttons that switch something. */
  readonly pressed?: boolean;
}

/** A button that shows an icon alone. */
export const IconButton = ({ icon, label, onClick, disabled = false, pressed }: IconButtonProps) => (
  <button
    type="button"
    class="ui-icon-button"
    aria-label={label}
    title={label}
    aria-pressed={pressed}
    disabled={disabled}
    onClick={onClick}
  >
    <Icon name={icon} />
  </button>
);
