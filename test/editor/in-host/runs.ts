import { deepStrictEqual, ok } from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { commands, env, window } from 'vscode';
import { adapterTags } from '../../../remote-agent/src/diffusion/prompt.ts';
import { changeState, createJob, runsFolder } from '../../../remote-agent/src/jobs/job.ts';
import { emptySpec } from '../../../remote-agent/test/jobs/host.ts';
import type { Tests } from './index.ts';
import { until } from './until.ts';

/** Works with a run that was stopped, in the history of this editor. */
async function withRun(id: string, work: (directory: string) => Promise<void>): Promise<void> {
  const directory = join(runsFolder(), id);
  const samples = { prompts: ['a zwx robot on the beach'] };
  createJob(directory, { ...emptySpec(), samples: { ...emptySpec().samples, ...samples } });
  changeState(directory, 'stopped');
  try {
    await work(directory);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

export const tests: Tests = {
  'the prompt of a run on the clipboard names its adapter': () =>
    withRun('copied', async () => {
      await commands.executeCommand('para.copyPrompt', 'copied');
      const text = await env.clipboard.readText();
      ok(text.startsWith('a zwx robot on the beach '), text);
      deepStrictEqual(
        adapterTags(text).map((tag) => tag.text),
        ['<lora:copied:1>'],
      );
    }),

  'a run is shown in one tab, however often it is asked for, and its tab goes with it': async () => {
    const tabs = () =>
      window.tabGroups.all
        .flatMap((group) => group.tabs)
        .filter(({ label }) => label.startsWith('robot \u00b7'));
    await withRun('shown', async () => {
      await commands.executeCommand('para.showRun', 'shown');
      await until(() => tabs().length === 1);
      await commands.executeCommand('para.showRun', 'shown');
      deepStrictEqual(
        tabs().map(({ label }) => label.replace(/\d+:\d+$/, 'time')),
        ['robot \u00b7 PaRa, Jan 2, time'],
      );
    });
    await commands.executeCommand('para.refresh');
    await until(() => tabs().length === 0);
  },
};
