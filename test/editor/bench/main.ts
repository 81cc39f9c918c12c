// Started by the section "editor" of `npm run bench`: measures the packaged extension in the real VS Code and prints
// one JSON object.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Editor } from '../driver/editor.ts';
import { packagedExtension } from '../driver/requirements.ts';
import { makeWorkspace } from '../driver/workspace.ts';
import { addHost, startGpuHost } from '../gpu-host.ts';
import { extensionHost, residentBytes } from './extension-host.ts';
import { lateness, watchSteps } from './lateness.ts';
import { liveHour, liveSteps } from './live-hour.ts';
import { longRun, stepsOfAnHour } from './long-run.ts';
import { fillHistory, historyTime, runsOfYears } from './many-runs.ts';
import { frameTimes } from './smoothness.ts';
import { starts } from './starts.ts';

const workspace = makeWorkspace('dog', 'dog');
const subject = {
  ...{ base: 'pocket-sdxl', pictures: ['*.png'], trigger: 'zwx', class: 'dog' },
  ...{ training: { steps: 300 }, samples: { prompts: [] } },
};
workspace.write('dog.para.json', JSON.stringify(subject));
const editor = await Editor.start({ workspace: workspace.folder, extensions: [packagedExtension] });
const sshd = await startGpuHost('gpu', editor.server.home);
try {
  await editor.views.open('PaRa Studio');
  await editor.settled();
  const activationMs = await activation();
  const startsMs = await starts(editor);
  await editor.input.run('View: Close All Editors');

  // A short run, live, on this machine and on another.
  const runs = join(editor.server.home, '.local/share/para-studio/runs');
  const here = await watched(runs, () => editor.views.action('Subjects', 'dog', 'Train Subject'));
  const run = join(runs, runsIn(runs)[0]!);
  await addHost(editor, 'gpu');
  const there = await watched(join(sshd.home, '.para-studio/runs'), async () => {
    await editor.input.run('PaRa: Train Subject');
    await editor.input.pick('dog');
    await editor.input.asked('Where?');
    await editor.input.pick('gpu');
  });

  // A long one, of any age.
  const host = extensionHost(editor.server.home);
  const before = residentBytes(host);
  longRun(run, join(runs, '20200101-000000-dog-para-0000'));
  const group = () => editor.views.rows('Runs');
  while ((await group()).length < 4) await sleep(100);
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

  // An hour of a run in its open panel.
  await editor.input.run('View: Close All Editors');
  const live = { hourBytes: 0, hourBytesAfter: 0 };
  await liveHour(run, join(runs, '20300101-000000-dog-para-0000'), async () => {
    await editor.views.click('Runs', /2030/);
    await (await editor.webviews.frame()).locator('.run-facts dd').first().waitFor();
    await sleep(5000);
    live.hourBytes = residentBytes(host);
  });
  await sleep(5000);
  live.hourBytesAfter = residentBytes(host);

  // The history of somebody who trained for years.
  fillHistory(run, runs);
  const historyMs = await historyTime(editor, runsIn(runs).length);
  const historyBytes = residentBytes(extensionHost(editor.server.home));
  const sorted = openMs.sort((a, b) => a - b);
  console.log(
    JSON.stringify({
      ...{ activationMs, startsMs, openMs: sorted[2], openWorstMs: sorted[4], ...here },
      ...{ thereShown: there.shown, thereMs: there.shownMs, thereP99Ms: there.shownP99Ms },
      ...{ liveSteps, ...live },
      ...{ events: stepsOfAnHour, hostBytes: before, hostBytesAfter: after, ...frames },
      ...{ runs: runsOfYears, historyMs, historyBytes },
    }),
  );
} finally {
  await editor.stop();
  await sshd.stop();
  workspace.remove();
}

/** Those of a folder, the newest last. */
function runsIn(folder: string): string[] {
  const isRun = (name: string) => !name.startsWith('.') && existsSync(join(folder, name, 'spec.json'));
  return readdirSync(folder).filter(isRun).sort();
}

/** Trains until the end with the panel open; how late it showed steps. @param folder where the run's trainer writes */
async function watched(folder: string, train: () => Promise<unknown>) {
  await train();
  await editor.text.tab('dog \u00b7 PaRa').waitFor();
  const frame = await editor.webviews.frame();
  await watchSteps(frame);
  await editor.status(/dog \d+ %/).waitFor();
  await editor.status(/dog \d+ %/).waitFor({ state: 'hidden', timeout: 300_000 });
  const late = await lateness(
    frame,
    readFileSync(join(folder, runsIn(folder).at(-1)!, 'events.jsonl'), 'utf8'),
  );
  await editor.input.run('View: Close All Editors');
  return late;
}

/** What the editor itself says that the activation took, in ms. */
async function activation(): Promise<number> {
  await editor.input.run('Developer: Show Running Extensions');
  // The slowest come first, and the list holds only what is seen.
  const list = editor.page.locator('.runtime-extensions-editor .monaco-list');
  const row = list.locator('.extension', { hasText: 'PaRa Studio' });
  await list.locator('.extension').first().click();
  while (!(await row.isVisible())) {
    await editor.page.keyboard.press('ArrowDown');
    await sleep(50);
  }
  const text = await row.locator('.activation-time').innerText();
  return Number(/(\d+)\s*ms/.exec(text)![1]);
}
