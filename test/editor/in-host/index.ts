// Tests that run in the extension host itself, beside the extension: what `@vscode/test-electron` calls.
import { tests as hosts } from './hosts.ts';
import { tests as languages } from './languages.ts';
import { tests as manifest } from './manifest.ts';
import { tests as messages } from './messages.ts';
import { tests as runs } from './runs.ts';
import { tests as subjects } from './subjects.ts';
import { tests as tools } from './tools.ts';
import { tests as virtual } from './virtual.ts';

export type Tests = Readonly<Record<string, () => Promise<void>>>;
const all: Tests = {
  ...manifest,
  ...hosts,
  ...virtual,
  ...subjects,
  ...languages,
  ...messages,
  ...runs,
  ...tools,
};

/** @throws Error naming the tests that failed */
export async function run(): Promise<void> {
  const failed: string[] = [];
  for (const [name, test] of Object.entries(all)) {
    try {
      await test();
      console.log(`in-host ok: ${name}`);
    } catch (cause) {
      failed.push(name);
      console.log(`in-host failed: ${name}\n${cause instanceof Error ? cause.stack : cause}`);
    }
  }
  if (failed.length > 0) throw new Error(`${failed.length} in-host tests failed`);
}
