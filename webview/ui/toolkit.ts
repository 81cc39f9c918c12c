import {
  provideVSCodeDesignSystem,
  vsCodeButton,
  vsCodeCheckbox,
  vsCodeDropdown,
  vsCodeOption,
  vsCodePanels,
  vsCodePanelTab,
  vsCodePanelView,
  vsCodeProgressRing,
  vsCodeRadio,
  vsCodeRadioGroup,
  vsCodeTextArea,
  vsCodeTextField,
} from '@vscode/webview-ui-toolkit';
import type { ComponentChildren, Ref } from 'preact';

provideVSCodeDesignSystem().register(
  vsCodeButton(),
  vsCodeCheckbox(),
  vsCodeDropdown(),
  vsCodeOption(),
  vsCodePanels(),
  vsCodePanelTab(),
  vsCodePanelView(),
  vsCodeProgressRing(),
  vsCodeRadio(),
  vsCodeRadioGroup(),
  vsCodeTextArea(),
  vsCodeTextField(),
);

/** An element of the toolkit as our components use it. */
interface ToolkitElement {
  readonly children?: ComponentChildren;
  readonly ref?: Ref<HTMLElement>;
  readonly [attribute: string]: unknown;
}

declare module 'preact' {
  namespace JSX {
    interface IntrinsicElements {
      'vscode-button': ToolkitElement;
      'vscode-checkbox': ToolkitElement;
      'vscode-dropdown': ToolkitElement;
      'vscode-option': ToolkitElement;
      'vscode-panels': ToolkitElement;
      'vscode-panel-tab': ToolkitElement;
      'vscode-panel-view': ToolkitElement;
      'vscode-progress-ring': ToolkitElement;
      'vscode-radio': ToolkitElement;
      'vscode-radio-group': ToolkitElement;
      'vscode-text-area': ToolkitElement;
      'vscode-text-field': ToolkitElement;
    }
  }
}

/** Names an element; some give themselves a name when they come into the page, so ours has to follow. */
export const named = (label: string) => (element: HTMLElement | null) =>
  element?.setAttribute('aria-label', label);
