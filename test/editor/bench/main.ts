// Started by the section "editor" of `npm run bench`: measures the packaged extension in the real VS Code and prints
// one JSON object.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Editor } from '../driver/editor.ts';
import { packagedExtension } from '../driver/requirements.ts';
import { makeWorkspace } from '../driver/workspace.ts';
import { extensionHost, residentBytes } from './extension-host.ts';
import { lateness, watchSteps } from './lateness.ts';
import { longRun, stepsOfAnHour } from './long-run.ts';
import { fillHistory, historyTime, runsOfYears } from './many-runs.ts';
import { frameTimes } from './smoothness.ts';

const workspace = makeWorkspace('dog', 'dog');
const subject = {
  ...{ base: 'pocket-sdxl', pictures: ['*.png'], trigger: 'zwx', class: 'dog' },
  ...{ training: { steps: 300 }, samples: { prompts: [] } },
};
workspace.write('dog.para.json', JSON.stringify(subject));
const editor = await Editor.start({ workspace: workspace.folder, extensions: [packagedExtension] });
try {
  await editor.views.open('PaRa Studio');
  await editor.settled();

  // A short run, live.
  await editor.views.action('Subjects', 'dog', 'Train Subject');
  await editor.text.tab('dog \u00b7 PaRa').waitFor();
  const frame = await editor.webviews.frame();
  await watchSteps(frame);
  await editor.status(/dog \d+ %/).waitFor();
  await editor.status(/dog \d+ %/).waitFor({ state: 'hidden', timeout: 300_000 });
  const runs = join(editor.server.home, '.local/share/para-studio/runs');
  const run = join(runs, readdirSync(runs).find((name) => !name.startsWith('.'))!);
  const late = await lateness(frame, readFileSync(join(run, 'events.jsonl'), 'utf8'));
  await editor.input.run('View: Close All Editors');

  // A long one, of any age.
  const host = extensionHost(editor.server.home);
  const before = residentBytes(host);
  longRun(run, join(runs, '20200101-000000-dog-para-0000'));
  const group = () => editor.views.rows('Runs');
  while ((await group()).length < 3) await sleep(100);
  const openMs: number[] = [];
  for (let i = 0; i < 5; i++) {
    await editor.views.click('Runs', /2020/);
    const started = performance.now();
    const panel = await editor.webviews.frame();
    await panel.locator('canvas').waitFor();
    openMs.push(performance.now() - started);
    if (i < 4) await editor.input.run('View: Close All Editors');
  }
  await sleep(2000);
  const after = residentBytes(host);
  const frames = await frameTimes(await editor.webviews.frame());
  const activationMs = await activation();

  // The history of somebody who trained for years.
  fillHistory(run, runs);
  const historyMs = await historyTime(editor);
  const historyBytes = residentBytes(extensionHost(editor.server.home));
  const sorted = openMs.sort((a, b) => a - b);
  console.log(
    JSON.stringify({
      ...{ activationMs, openMs: sorted[2], openWorstMs: sorted[4], ...late },
      ...{ events: stepsOfAnHour, hostBytes: before, hostBytesAfter: after, ...frames },
      ...{ runs: runsOfYears, historyMs, historyBytes },
    }),
  );
} finally {
  await editor.stop();
  workspace.remove();
}

/** What the editor itself says that the activation took, in ms. */
async function activation(): Promise<number> {
  await editor.input.run('Developer: Show Running Extensions');
  const row = editor.page.locator('.runtime-extensions-editor .extension', { hasText: 'PaRa Studio' });
  const text = await row.locator('.activation-time').innerText();
  return Number(/(\d+)\s*ms/.exec(text)![1]);
}
