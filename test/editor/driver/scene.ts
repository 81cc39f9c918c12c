import { afterAll, afterEach, beforeAll } from 'vitest';
import { Editor, type EditorOptions } from './editor.ts';
import { pictureOfFailure } from './failures.ts';
import { packagedExtension } from './requirements.ts';
import type { Workspace } from './workspace.ts';

/** What a scene is set with: a folder of its own, and what the editor is started with besides. */
export interface SceneOptions extends Omit<EditorOptions, 'workspace' | 'extensions'> {
  readonly workspace?: Workspace;
}

/**
 * For a `describe`: starts an editor with the packaged extension before its tests, takes a picture where one fails, and
 * leaves nothing behind.
 * @param ready is given the editor before the first test
 */
export function scene(
  { workspace, ...options }: SceneOptions,
  ready: (editor: Editor) => void | Promise<void>,
): void {
  let editor: Editor | undefined;
  beforeAll(async () => {
    editor = await Editor.start({
      ...options,
      ...(workspace ? { workspace: workspace.folder } : {}),
      extensions: [packagedExtension],
    });
    await ready(editor);
  });
  afterEach((context) => pictureOfFailure(context, editor));
  afterAll(async () => {
    await editor?.stop();
    workspace?.remove();
  });
}
