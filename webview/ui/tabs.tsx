import type { ComponentChildren } from 'preact';
import { named } from './toolkit.ts';

export interface Tab<T extends string> {
  readonly id: T;
  readonly label: string;
  /** How many things are in it. */
  readonly count?: number | undefined;
  readonly content: () => ComponentChildren;
}

interface TabsProps<T extends string> {
  readonly label: string;
  readonly tabs: readonly Tab<T>[];
  readonly active: T;
  readonly onChange: (id: T) => void;
}

/** Parts of which one is seen; those that are not are not made. */
export function Tabs<T extends string>({ label, tabs, active, onChange }: TabsProps<T>) {
  return (
    <vscode-panels
      class="ui-tabs"
      activeid={`tab-${active}`}
      ref={named(label)}
      onChange={(event: CustomEvent<HTMLElement>) => {
        const id = event.detail?.id?.replace(/^tab-/, '') as T | undefined;
        if (id && id !== active && tabs.some((tab) => tab.id === id)) onChange(id);
      }}
    >
      {tabs.map(({ id, label: name, count }) => (
        <vscode-panel-tab key={id} id={`tab-${id}`}>
          {count === undefined ? name : `${name} (${count})`}
        </vscode-panel-tab>
      ))}
      {tabs.map(({ id, content }) => (
        <vscode-panel-view key={`view-${id}`} id={`view-${id}`}>
          {id === active && <div class="ui-tab">{content()}</div>}
        </vscode-panel-view>
      ))}
    </vscode-panels>
  );
}
