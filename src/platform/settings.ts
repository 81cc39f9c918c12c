import { workspace } from 'vscode';

/** Settings of the extension, with their types; the manifest holds defaults and descriptions. */
export interface Settings {
  readonly home: string;
  readonly nodePath: string;
  readonly device: 'auto' | 'processor';
  readonly bring: 'last' | 'best' | 'all';
  readonly notifications: boolean;
  readonly exportFolder: string;
  readonly previewEvery: number;
  readonly hubEndpoint: string;
}

export const setting = <K extends keyof Settings>(name: K): Settings[K] =>
  workspace.getConfiguration('para').get(name)!;
