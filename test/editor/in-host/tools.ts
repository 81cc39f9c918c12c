import { deepStrictEqual, match, ok, rejects } from 'node:assert/strict';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { extensions, type LanguageModelTextPart, lm, window } from 'vscode';
import type { Tests } from './index.ts';
import { until } from './until.ts';

/** Asks a tool as an agent of the editor does; that the person agrees is taken for granted where tests run. */
async function ask(name: string, input: object): Promise<string> {
  const { content } = await lm.invokeTool(name, { input, toolInvocationToken: undefined });
  return (content as LanguageModelTextPart[]).map(({ value }) => value).join('');
}

interface Listed {
  readonly id: string;
  readonly subject: string;
  readonly method: string;
  readonly state: string;
  readonly step: number;
}
const listed = async (limit?: number) =>
  JSON.parse(await ask('para_list_runs', limit === undefined ? {} : { limit })) as Listed[];

/** Trains the sample for a moment, in a folder that is there for as long. @returns ids of the runs */
async function train(settings: object): Promise<string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'para-tools-'));
  try {
    const { extensionPath } = extensions.getExtension('para-studio.para-studio')!;
    cpSync(join(extensionPath, 'examples/dog/dog-1.png'), join(folder, 'dog-1.png'));
    const subjectFile = join(folder, 'dog.para.json');
    const subject = {
      ...{ pictures: ['*.png'], trigger: 'zwx', class: 'dog' },
      ...{ method: { name: 'lora' }, training: { steps: 5 }, samples: { prompts: [] } },
    };
    writeFileSync(subjectFile, JSON.stringify(subject));
    const { runs } = JSON.parse(await ask('para_train', { subjectFile, ...settings })) as { runs: string[] };
    while ((await listed()).some(({ id, state }) => runs.includes(id) && /queued|running/.test(state)))
      await sleep(200);
    return runs;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

let trained: readonly string[] = [];

export const tests: Tests = {
  'an agent of the editor trains a subject with the method it names, and sees the run end': async () => {
    // Another method than the file's own makes the steps that are usual for it.
    trained = [...(await train({})), ...(await train({ method: 'para' }))];
    const runs = (await listed()).filter(({ id }) => trained.includes(id));
    deepStrictEqual(
      runs.map(({ subject, method, state, step }) => ({ subject, method, state, step })),
      [
        { subject: 'dog', method: 'para', state: 'finished', step: 200 },
        { subject: 'dog', method: 'lora', state: 'finished', step: 5 },
      ],
    );
    deepStrictEqual((await listed(1)).length, 1);
  },

  'an agent of the editor draws with what was trained, and is told where the picture is': async () => {
    const { picture } = JSON.parse(
      await ask('para_generate', { prompt: 'a zwx dog on the beach', adapter: trained[0] }),
    ) as { picture: string };
    ok(readFileSync(picture).subarray(1, 4).equals(Buffer.from('PNG')));
  },

  'an agent of the editor opens a comparison of runs': async () => {
    deepStrictEqual(
      await ask('para_compare', { runs: trained, prompts: ['a zwx dog on the moon'] }),
      'The comparison is open.',
    );
    const tab = () =>
      window.tabGroups.all.flatMap(({ tabs }) => tabs).find(({ label }) => label.startsWith('Compare: dog'));
    await until(tab);
    await window.tabGroups.close(tab()!);
  },

  'an agent of the editor is told what is wrong and what to do': async () => {
    await rejects(ask('para_generate', { prompt: 'a dog', adapter: 'nobody' }), (cause: Error) => {
      match(cause.message, /nobody/);
      return true;
    });
    await rejects(ask('para_train', { subjectFile: '/nowhere/cat.para.json' }), /cat\.para\.json/);
  },
};
