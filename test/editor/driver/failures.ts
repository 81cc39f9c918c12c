import type { TestContext } from 'vitest';
import type { Editor } from './editor.ts';

/** For `afterEach`: a picture of what was in sight when a test failed, with where it lies. */
export async function pictureOfFailure({ task }: TestContext, editor: Editor | undefined): Promise<void> {
  if (task.result?.state !== 'fail' || !editor) return;
  console.error(`What was in sight: ${await editor.screen(`failed/${task.name.replace(/\W+/g, '-')}`)}`);
}
